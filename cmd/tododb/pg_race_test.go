package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/widetest"
)

// Of two processes that write the same document with one parent at the same time, one succeeds and the
// other one is told of the conflict.
func TestPGSameDocumentInLockstep(t *testing.T) {
	t.Parallel()
	c, two := countedCluster(t, pgtest.URL(t), 2)
	two[0].do(201, "PUT", "/db", "")
	rev, writes := "", 0
	rounds(t, 40, func(round int) {
		var status [2]int
		var text [2]string
		var group sync.WaitGroup
		for i, p := range two {
			group.Go(func() {
				body := fmt.Sprintf(`{"by":%d,"round":%d}`, i, round)
				if rev != "" {
					body = fmt.Sprintf(`{"_rev":%q,"by":%d,"round":%d}`, rev, i, round)
				}
				status[i], text[i] = p.try("PUT", "/db/same", body)
			})
		}
		group.Wait()
		winner := slices.Index(status[:], 201)
		if winner < 0 || status[1-winner] != 409 {
			t.Fatalf("round %d: %v %v", round, status, text)
		}
		var answer struct{ Rev string }
		if err := json.Unmarshal([]byte(text[winner]), &answer); err != nil {
			t.Fatal(err)
		}
		rev = answer.Rev
		writes++
		if got := two[1-winner].do(200, "GET", "/db/same?conflicts=true", ""); !strings.Contains(got, rev) || strings.Contains(got, "_conflicts") {
			t.Fatalf("round %d: %s, after %s", round, got, rev)
		}
	})
	if seq := sequenceOf(t, []byte(two[0].do(200, "GET", "/db", ""))); seq != writes {
		t.Errorf("the sequence is %d after %d writes", seq, writes)
	}
	if out, code := tododb(t, "check", "--storage", c.url, "--data", t.TempDir()); code != 0 {
		t.Errorf("check: exit %d\n%s", code, out)
	}
}

// A database is dropped and made again by one process while both write to it and follow it. A write that
// was acknowledged is in the database that was there then, and in no other; feeds end with theirs.
func TestPGDropAndMake(t *testing.T) {
	t.Parallel()
	c, two := countedCluster(t, pgtest.URL(t), 2)
	two[0].do(201, "PUT", "/db", "")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	send := func(ctx context.Context, p *process, method, path, body string) (int, string) {
		answer, err := client.Do(p.request(method, path, body).WithContext(ctx))
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return 0, err.Error()
		}
		return answer.StatusCode, string(text)
	}
	// Before this generation is made, the ones before it are gone.
	var generation, made, ended atomic.Int64
	var enough atomic.Bool // writers have their last answer: what nobody waits for might come into a later database
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	defer enough.Store(true)
	for i := range 4 {
		group.Go(func() {
			for n := 0; !enough.Load(); n++ {
				began := generation.Load()
				status, text := send(t.Context(), two[(i+n)%2], "PUT", fmt.Sprintf("/db/g%d-%d-%d", began, i, n), "{}")
				if status != 201 && status != 404 {
					t.Errorf("a write: %d %s", status, text)
					return
				}
				if status == 201 {
					made.Add(1)
				}
			}
		})
		group.Go(func() { // a feed sees no database but its own: it ends with it
			for n := 0; ctx.Err() == nil; n++ {
				status, text := send(ctx, two[(i+n)%2], "GET", "/db/_changes?feed=continuous&heartbeat=1000", "")
				if ctx.Err() != nil {
					return
				}
				if status != 200 && status != 404 && status != 0 {
					t.Errorf("a feed: %d %s", status, text)
					return
				}
				seqs := map[string]bool{}
				for line := range strings.Lines(text) {
					var row struct{ Seq, ID string }
					if json.Unmarshal([]byte(line), &row) == nil && row.ID != "" {
						_, epoch, _ := strings.Cut(row.Seq, "-")
						seqs[epoch] = true
					}
				}
				if len(seqs) > 1 {
					t.Errorf("a feed has rows of %d databases", len(seqs))
					return
				}
				ended.Add(1)
			}
		})
	}
	rounds(t, 6, func(round int) {
		before := made.Load()
		within(t, time.Minute, func() bool { return made.Load() >= before+10 || t.Failed() })
		p := two[round%2]
		p.do(200, "DELETE", "/db", "")
		now := generation.Add(1)
		two[1-round%2].do(201, "PUT", "/db", "")
		// What writers began before the old one was dropped may come into the new one, if it arrives
		// late; what was begun a generation earlier can not.
		for _, q := range two {
			var docs struct{ Rows []struct{ ID string } }
			if err := json.Unmarshal([]byte(q.do(200, "GET", "/db/_all_docs", "")), &docs); err != nil {
				t.Fatal(err)
			}
			for _, row := range docs.Rows {
				var g int64
				if _, err := fmt.Sscanf(row.ID, "g%d-", &g); err != nil || g < now-1 {
					t.Fatalf("round %d: %s is in the database of generation %d", round, row.ID, now)
				}
			}
		}
	})
	before := ended.Load()
	two[0].do(200, "DELETE", "/db", "")
	within(t, soon, func() bool { return ended.Load() >= before+4 })
	if status, text := two[1].try("GET", "/db", ""); status != 404 {
		t.Errorf("the database is gone: %d %s", status, text)
	}
	enough.Store(true)
	stop()
	group.Wait()
	two[1].do(201, "PUT", "/db", "")
	if got := two[0].do(200, "GET", "/db/_all_docs", ""); !strings.Contains(got, `"total_rows":0`) {
		t.Errorf("the new database: %s", got)
	}
	if out, code := tododb(t, "check", "--storage", c.url, "--data", t.TempDir()); code != 0 {
		t.Errorf("check: exit %d\n%s", code, out)
	}
}

// Clients that read slowly hold no snapshot of PostgreSQL's for long, and writers do not feel them.
func TestPGSlowReaders(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	c, two := countedCluster(t, pgtest.URL(t), 2)
	two[0].do(201, "PUT", "/db", "")
	for at := 0; at < 12_000; at += 1000 {
		two[0].do(201, "POST", "/db/_bulk_docs", string(bulkOf("{", "", at, 1000)))
	}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	latency := func(d time.Duration) time.Duration {
		var all []time.Duration
		for began, n := time.Now(), 0; time.Since(began) < d || n < 20; n++ {
			sent := time.Now()
			two[n%2].do(201, "POST", "/db", "{}")
			all = append(all, time.Since(sent))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	long := max(3*time.Second, soakPG(t))
	alone := latency(time.Second)
	var read, cut atomic.Int64
	for _, path := range []string{"/db/_changes?include_docs=true", "/db/_all_docs?include_docs=true", "/db/_changes?feed=continuous&heartbeat=1000&include_docs=true"} {
		for _, p := range two {
			group.Go(func() {
				for ctx.Err() == nil {
					answer, err := http.DefaultClient.Do(p.request("GET", path, "").WithContext(ctx))
					if err != nil {
						return
					}
					for buf := make([]byte, 4<<10); ; {
						n, err := answer.Body.Read(buf)
						read.Add(int64(n))
						if err != nil {
							if err != io.EOF {
								cut.Add(1)
							}
							break
						}
						sleepOr(ctx, 20*time.Millisecond)
					}
					answer.Body.Close()
				}
			})
		}
	}
	var oldest time.Duration
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			var age float64
			row(t, c.url, "select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid() "+
				"and application_name = (select application_name from pg_stat_activity where pid = pg_backend_pid())", &age)
			oldest = max(oldest, time.Duration(age*float64(time.Second)))
			sleepOr(ctx, 50*time.Millisecond)
		}
	}()
	beside := latency(long)
	stop()
	<-watched
	group.Wait()
	t.Logf("a write takes %v alone, %v beside slow readers of %d KiB; the oldest snapshot was %v old; %d answers were cut", alone.Round(time.Microsecond),
		beside.Round(time.Microsecond), read.Load()>>10, oldest.Round(time.Millisecond), cut.Load())
	// Slow readers of a whole second, and a busy machine.
	if oldest > 8*time.Second {
		t.Errorf("a snapshot was %v old", oldest)
	}
	if beside > 10*alone+200*time.Millisecond {
		t.Errorf("a write takes %v beside slow readers, and %v alone", beside, alone)
	}
}
