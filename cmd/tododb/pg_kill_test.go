package main

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

// soakPG is how long the long forms of the tests of several processes take, each: what TODODB_TEST_SOAK
// says. make soak-pg sets it. Otherwise it is 0.
func soakPG(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("TODODB_TEST_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TODODB_TEST_SOAK: %v", err)
	}
	return d
}

// longOnly skips a test in the short form.
func longOnly(t testing.TB) {
	t.Helper()
	if testing.Short() && soakPG(t) == 0 {
		t.Skip("make long and make soak-pg do it")
	}
}

// rounds calls fn a few times, or for as long as the long form takes.
func rounds(t testing.TB, few int, fn func(round int)) {
	t.Helper()
	long := soakPG(t)
	for began, n := time.Now(), 0; n < few || time.Since(began) < long; n++ {
		fn(n)
	}
}

// Processes are killed again and again, and others started; nothing that was acknowledged is lost.
func TestPGKill(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	c, processes := countedCluster(t, pgtest.URL(t), 3)
	f := startFleet(t, c, processes...)
	rounds(t, 2, func(int) {
		f.work(10, time.Duration(100+rand.IntN(500))*time.Millisecond)
		victim := f.process(rand.IntN(3))
		f.gone(victim)
		victim.kill()
		f.work(10, 0)
		f.joins(c.start())
	})
	f.check()
}

// startWired starts a process that reaches PostgreSQL by way of a wire.
func (c *cluster) startWired() (*process, *pgWire) {
	c.t.Helper()
	wire, url := openWire(c.t, c.url)
	return (&cluster{t: c.t, url: url}).start(), wire
}

// lockFreed is how long writers of a database wait at most for a process that is gone without a word: so
// long the server lets a transaction be idle. More than that is the machine's.
const lockFreed = 10*time.Second + soon

// A process that is cut off and killed while it holds the lock of a database holds others up for no longer
// than the server allows. What it was about to commit is not there.
func TestPGKillWithTheLock(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	c, processes := countedCluster(t, pgtest.URL(t), 2)
	f := startFleet(t, c, processes...)
	rounds(t, 1, func(round int) {
		victim, wire := c.startWired()
		f.work(10, 0)
		sprung := wire.set(pgTrap{statement: "commit", after: "never-acknowledged"})
		document := "/load/_local/never-acknowledged" // leaves no sequence
		done := make(chan struct{})
		go func() { // its answer never comes
			defer close(done)
			if answer, err := http.DefaultClient.Do(victim.request("PUT", document, `{"x":1}`)); err == nil {
				answer.Body.Close()
				if answer.StatusCode == 201 {
					t.Errorf("the write was acknowledged")
				}
			}
		}()
		waitFor(t, sprung, victim)
		held := time.Now()
		victim.kill()
		<-done
		f.work(10, 0)
		t.Logf("writers went on after %v", time.Since(held).Round(time.Millisecond))
		if took := time.Since(held); took > lockFreed {
			t.Errorf("the lock was held for %v", took)
		}
		wire.close()
		if status, text := processes[0].try("GET", document, ""); status != 404 {
			t.Errorf("what was not committed: %d %s", status, text)
		}
	})
	f.check()
}

// databaseID is what the tables call a database.
func databaseID(t testing.TB, url, name string) (id string) {
	t.Helper()
	row(t, url, "select id::text from td_db where parent = 0 and name = '"+name+"'", &id)
	return id
}

func waitFor(t testing.TB, c <-chan struct{}, p *process) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("the statement did not come\n%s", p.log)
	}
}

// A process is killed when its commit has taken place and nobody has been told: the others have the change,
// in their feeds too, and whoever repeats the write learns of it.
func TestPGKillAfterTheCommit(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	for _, stage := range []struct {
		name   string
		answer bool // it is the answer that does not come
	}{{"before the answer", true}, {"before others are told", false}} {
		t.Run(stage.name, func(t *testing.T) {
			t.Parallel()
			c, processes := countedCluster(t, pgtest.URL(t), 1)
			other := processes[0]
			other.do(201, "PUT", "/db", "")
			other.do(201, "PUT", "/db/before", "{}")
			rows := followLines(t, other, "/db/_changes?feed=continuous&heartbeat=500&since=0")
			nextRow(t, rows, `"id":"before"`)
			rounds(t, 1, func(int) {
				victim, wire := c.startWired()
				victim.do(200, "GET", "/db/before", "")
				id := "doc-" + strings.ReplaceAll(victim.address(), ":", "-")
				trap := pgTrap{statement: "commit", after: id, answer: true}
				if !stage.answer {
					trap = pgTrap{statement: "select pg_notify", after: " " + databaseID(t, c.url, "db")}
				}
				sprung := wire.set(trap)
				done := make(chan int, 1)
				go func() {
					answer, err := http.DefaultClient.Do(victim.request("PUT", "/db/"+id, `{"x":1}`))
					if err != nil {
						done <- 0
						return
					}
					answer.Body.Close()
					done <- answer.StatusCode
				}()
				waitFor(t, sprung, victim)
				if !trap.answer {
					if status := <-done; status != 201 {
						t.Errorf("the write: %d", status)
					}
				}
				victim.kill()
				killed := time.Now()
				if trap.answer {
					if status := <-done; status != 0 {
						t.Errorf("there was an answer: %d", status)
					}
				}
				nextRow(t, rows, `"id":"`+id+`"`)
				t.Logf("the other process's feed had it after %v", time.Since(killed).Round(time.Millisecond))
				if got := other.do(200, "GET", "/db/"+id, ""); !strings.Contains(got, `"x":1`) {
					t.Errorf("the document: %s", got)
				}
				if status, text := other.try("PUT", "/db/"+id, `{"x":1}`); status != 409 {
					t.Errorf("the write is repeated: %d %s", status, text)
				}
				wire.close()
			})
			if out, code := tododb(t, "check", "--storage", c.url, "--data", t.TempDir()); code != 0 {
				t.Errorf("check: exit %d\n%s", code, out)
			}
		})
	}
}

// followLines reads a feed until the test ends.
func followLines(t testing.TB, p *process, path string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	answer, err := http.DefaultClient.Do(p.request("GET", path, "").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	lines, ended := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(lines)
		defer answer.Body.Close()
		for in := bufio.NewScanner(answer.Body); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return lines
}

// nextRow waits for the next row of a feed, which must have a text in it.
func nextRow(t testing.TB, rows <-chan string, text string) {
	t.Helper()
	for deadline := time.After(soon); ; {
		select {
		case row, more := <-rows:
			if !more {
				t.Fatalf("the feed has ended before %s", text)
			}
			if row == "" {
				continue
			}
			if !strings.Contains(row, text) {
				t.Fatalf("the feed has %s, not %s", row, text)
			}
			return
		case <-deadline:
			t.Fatalf("the feed does not have %s", text)
		}
	}
}
