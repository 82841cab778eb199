package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// toldOf follows _db_updates at a process without a pause, and notes for each database the number of the last event.
// When the feed ends it goes on where it was, at the next process.
type toldOf struct {
	mu    sync.Mutex // guards what follows
	last  map[string]uint64
	kinds map[string]string
	place string
	end   uint64 // the number of the newest event
	err   error
}

func (u *toldOf) of(name string) (uint64, string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last[name], u.kinds[name]
}

// followUpdates follows until the test ends.
func followUpdates(t testing.TB, processes ...*process) *toldOf {
	t.Helper()
	u := &toldOf{last: map[string]uint64{}, kinds: map[string]string{}, place: "0"}
	var stopped atomic.Bool
	var mu sync.Mutex
	var body io.Closer
	done := make(chan struct{})
	go func() {
		defer close(done)
		for turn := 0; !stopped.Load(); turn++ {
			u.mu.Lock()
			place := u.place
			u.mu.Unlock()
			r := processes[turn%len(processes)].request("GET", "/_db_updates?feed=continuous&heartbeat=500&since="+place, "")
			answer, err := http.DefaultClient.Do(r)
			if err != nil || answer.StatusCode != 200 {
				if err == nil {
					answer.Body.Close()
				}
				time.Sleep(20 * time.Millisecond)
				continue
			}
			mu.Lock()
			body = answer.Body
			mu.Unlock()
			if stopped.Load() {
				answer.Body.Close()
			}
			u.read(answer.Body)
		}
	}()
	t.Cleanup(func() {
		stopped.Store(true)
		mu.Lock()
		if body != nil {
			body.Close()
		}
		mu.Unlock()
		<-done
		if u.err != nil {
			t.Error(u.err)
		}
	})
	return u
}

// read reads one feed to its end.
func (u *toldOf) read(body io.ReadCloser) {
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var row struct {
			Name string `json:"db_name"`
			Type string
			Seq  string
		}
		if err := lines.Decode(&row); err != nil {
			return
		}
		if row.Name == "" {
			return // it has ended
		}
		digits, _, _ := strings.Cut(row.Seq, "-")
		n, err := strconv.ParseUint(digits, 10, 64)
		u.mu.Lock()
		if err != nil || n <= u.end {
			u.err = fmt.Errorf("%+v after event %d: %v", row, u.end, err)
		}
		u.place, u.end, u.last[row.Name], u.kinds[row.Name] = row.Seq, n, n, row.Type
		u.mu.Unlock()
	}
}

// A process is killed while writers write through both and _db_updates is followed at the other one. Each
// change is followed by an event, those too that the killed process had acknowledged and told nobody of.
func TestPGKillUpdates(t *testing.T) {
	longOnly(t)
	t.Parallel()
	c, two := startCluster(t, 2)
	const n = 30
	name := func(i int) string { return fmt.Sprintf("db%02d", i) }
	for i := range n {
		two[0].do(201, "PUT", "/"+name(i), "")
	}
	u := followUpdates(t, two[1])
	within(t, soon, func() bool { return len(u.names()) >= n })
	rounds(t, 2, func(round int) {
		var mu sync.Mutex
		before := map[string]uint64{} // the event that was known before the last acknowledged write began
		var writing atomic.Bool
		writing.Store(true)
		var works sync.WaitGroup
		for i := range 4 {
			works.Go(func() {
				p := two[i%2]
				for writing.Load() {
					db := name(rand.IntN(n))
					known, _ := u.of(db)
					answer, err := http.DefaultClient.Do(p.request("POST", "/"+db, `{"n":1}`))
					if err != nil {
						return // it is killed
					}
					answer.Body.Close()
					if answer.StatusCode == 201 {
						mu.Lock()
						before[db] = max(before[db], known)
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(300+rand.IntN(700)) * time.Millisecond)
		two[0].kill()
		killed := time.Now()
		writing.Store(false)
		works.Wait()
		within(t, soon, func() bool {
			for db, known := range before {
				if now, _ := u.of(db); now <= known {
					return false
				}
			}
			return true
		})
		for db := range before {
			if _, kind := u.of(db); kind != "updated" {
				t.Errorf("%s is told to be %s", db, kind)
			}
		}
		t.Logf("%d databases were written; the last event came %v after the kill", len(before), time.Since(killed).Round(time.Millisecond))
		two[0] = c.start()
	})
}

func (u *toldOf) names() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []string
	for name := range u.last {
		all = append(all, name)
	}
	return all
}

// While PostgreSQL is away nothing is told; when it is back, what happens then is told soon, by both.
func TestPGUpdatesComeBack(t *testing.T) {
	longOnly(t)
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Durable: true})
	c := &cluster{t: t, url: server.Schema(t)}
	two := []*process{c.start(), c.start()}
	two[0].do(201, "PUT", "/db", "")
	u := followUpdates(t, two[1])
	within(t, soon, func() bool { _, kind := u.of("db"); return kind == "created" })
	rounds(t, 1, func(int) {
		two[0].do(201, "POST", "/db", "{}")
		server.Stop()
		time.Sleep(2 * time.Second)
		if err := server.Run(); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		known, _ := u.of("db")
		within(t, time.Minute, func() bool { status, _ := two[0].try("POST", "/db", "{}"); return status == 201 })
		wrote := time.Now()
		within(t, soon, func() bool { now, _ := u.of("db"); return now > known })
		t.Logf("a write went through %v after PostgreSQL was back, its event came %v after it", wrote.Sub(back).Round(time.Millisecond), time.Since(wrote).Round(time.Millisecond))
	})
}
