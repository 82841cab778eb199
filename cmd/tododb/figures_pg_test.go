package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// TestFiguresPG prints the rates of a process over PostgreSQL beside those of one with a folder, and of two
// processes beside one. PostgreSQL is on the same machine and waits for the disk, as the folder does. It
// runs where TODODB_TEST_FIGURES is set.
func TestFiguresPG(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	docs := fromTestEnv(t, "TODODB_TEST_PG_DOCS", 50_000)
	server := pgtest.Start(t, pgtest.Options{Durable: true, Settings: []string{"shared_buffers = 256MB", "max_wal_size = 4GB"}})
	c := &cluster{t: t, url: server.Schema(t)}
	two := []*process{c.start("--log-level", "warning"), c.start("--log-level", "warning")}
	folder := startServer(t, t.TempDir(), "", "--log-level", "warning")
	f := &pgFigures{t: t, docs: docs, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}}

	one, bolt := f.alone(two[:1]), f.alone([]*process{folder})
	for i, figure := range []struct {
		what string
		want float64
	}{
		{"bulk insert, documents", 15_000}, {"64 clients put into one database", 3_000}, {"64 clients put into 64 databases", 3_000},
		{"16 clients get, documents", 3_000}, {"_changes, rows", 150_000}, {"private memory, MiB", 0},
	} {
		fmt.Printf("%-38s %10.0f     with a folder %10.0f  ratio %.2f, wanted %.0f\n", "PostgreSQL: "+figure.what, one[i], bolt[i], one[i]/bolt[i], figure.want)
	}
	f.together("64 clients put into one database", two, func(p *process, n int) error {
		return f.send(p, "PUT", fmt.Sprintf("/one/t%d", n), "{"+figureDoc(n))
	})
	f.together("64 clients put into 64 databases", two, func(p *process, n int) error {
		return f.send(p, "PUT", fmt.Sprintf("/apart%d/t%d", n%64, n), "{"+figureDoc(n))
	})
	f.together("64 clients get, documents", two, func(p *process, n int) error {
		return f.send(p, "GET", "/bulk/"+fmt.Sprint(rand.IntN(docs)), "")
	})
	f.heard(two[0], two[1])
}

type pgFigures struct {
	t      *testing.T
	docs   int
	client *http.Client
	next   atomic.Int64 // ids that nobody has had
}

func (f *pgFigures) send(p *process, method, path, body string) error {
	answer, err := f.client.Do(p.request(method, path, body))
	if err != nil {
		return err
	}
	drain(answer)
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return nil
}

// rate has clients work for a few seconds, spread over processes, and returns how often they did.
func (f *pgFigures) rate(clients int, at []*process, fn func(p *process, n int) error) float64 {
	var done atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for i := range clients {
		group.Go(func() {
			for time.Since(began) < 3*time.Second {
				if err := fn(at[i%len(at)], int(f.next.Add(1))); err != nil {
					f.t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}

// alone measures a process.
func (f *pgFigures) alone(at []*process) (figures []float64) {
	p := at[0]
	p.do(201, "PUT", "/bulk", "")
	p.do(201, "PUT", "/one", "")
	for i := range 64 {
		p.do(201, "PUT", fmt.Sprintf("/apart%d", i), "")
	}
	var bodies []string
	for from := 0; from < f.docs; from += 1000 {
		bodies = append(bodies, string(bulkOf("{", "", from, 1000)))
	}
	timed := func(n int, fn func() error) float64 {
		began := time.Now()
		if err := fn(); err != nil {
			f.t.Fatal(err)
		}
		return float64(n) / time.Since(began).Seconds()
	}
	figures = append(figures, timed(f.docs, func() error {
		for _, b := range bodies {
			if err := f.send(p, "POST", "/bulk/_bulk_docs", b); err != nil {
				return err
			}
		}
		return nil
	}))
	figures = append(figures, f.rate(64, at, func(p *process, n int) error {
		return f.send(p, "PUT", fmt.Sprintf("/one/%d", n), "{"+figureDoc(n))
	}), f.rate(64, at, func(p *process, n int) error {
		return f.send(p, "PUT", fmt.Sprintf("/apart%d/%d", n%64, n), "{"+figureDoc(n))
	}), f.rate(16, at, func(p *process, n int) error {
		return f.send(p, "GET", "/bulk/"+fmt.Sprint(rand.IntN(f.docs)), "")
	}), timed(3*f.docs, func() error {
		for range 3 {
			if err := f.send(p, "GET", "/bulk/_changes", ""); err != nil {
				return err
			}
		}
		return nil
	}))
	return append(figures, float64(privateMemory(f.t, p)>>20))
}

// together compares two processes with one, by turns.
func (f *pgFigures) together(what string, two []*process, fn func(p *process, n int) error) {
	var ratios, alone, both []float64
	for range 3 {
		a := f.rate(64, two[:1], fn)
		b := f.rate(64, two, fn)
		alone, both, ratios = append(alone, a), append(both, b), append(ratios, b/a)
	}
	slices.Sort(ratios)
	fmt.Printf("%-38s %10.0f /s  one process %10.0f /s  ratio %.2f (%.2f to %.2f), wanted 1.20 where processes are the limit\n", "two processes: "+strings.TrimPrefix(what, "64 clients "),
		slices.Max(both), slices.Max(alone), ratios[1], ratios[0], ratios[2])
}

// heard measures after what time a change is in the feed of the other process.
func (f *pgFigures) heard(a, b *process) {
	a.do(201, "PUT", "/heard", "")
	rows := followLines(f.t, b, "/heard/_changes?feed=continuous&heartbeat=1000&since=0")
	var all []time.Duration
	for i := range 100 {
		id := fmt.Sprint("doc", i)
		a.do(201, "PUT", "/heard/"+id, "{}")
		written := time.Now()
		nextRow(f.t, rows, `"id":"`+id+`"`)
		all = append(all, time.Since(written))
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
	}
	slices.Sort(all)
	fmt.Printf("%-38s %10.1f ms at the median, %.1f ms of 95 %%, wanted 20\n", "a change in the other process's feed",
		float64(all[50].Microseconds())/1000, float64(all[95].Microseconds())/1000)
}
