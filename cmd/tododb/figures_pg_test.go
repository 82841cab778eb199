package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// TestFiguresPG prints the rates of a process over PostgreSQL beside those of one with a folder, and of two
// processes beside one. PostgreSQL is on the same machine and waits for the disk, as the folder does. It
// runs where TODODB_TEST_FIGURES is set; "alone" measures only the one process over PostgreSQL, "limited" only
// processes that have a small share of a processor each.
func TestFiguresPG(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	docs := fromTestEnv(t, "TODODB_TEST_PG_DOCS", 50_000)
	server := pgtest.Start(t, pgtest.Options{Durable: true, Settings: []string{"shared_buffers = 256MB", "max_wal_size = 4GB"}})
	c := &cluster{t: t, url: server.Schema(t)}
	two := []*process{c.start("--log-level", "warning"), c.start("--log-level", "warning")}
	folder := startServer(t, t.TempDir(), "", "--log-level", "warning")
	f := &pgFigures{t: t, docs: docs, server: server}

	if os.Getenv("TODODB_TEST_FIGURES") == "limited" {
		f.prepare(two[0])
		for from := 0; from < docs; from += 1000 {
			two[0].do(201, "POST", "/bulk/_bulk_docs", string(bulkOf("{", "", from, 1000)))
		}
		f.limited(two)
		return
	}
	one := f.alone(two[:1])
	if os.Getenv("TODODB_TEST_FIGURES") == "alone" {
		return
	}
	bolt := f.alone([]*process{folder})
	for i, figure := range []struct {
		what string
		want float64
	}{
		{"bulk insert, documents", 15_000}, {"64 clients put into one database", 3_000}, {"64 clients put into 64 databases", 3_000},
		{"16 clients get, documents", 3_000}, {"_changes, rows", 150_000}, {"private memory, MiB", 0},
	} {
		fmt.Printf("%-38s %10.0f     with a folder %10.0f  ratio %.2f, wanted %.0f\n", "PostgreSQL: "+figure.what, one[i], bolt[i], one[i]/bolt[i], figure.want)
	}
	f.together("put into one database", two, f.put(putOne))
	f.together("put into 64 databases", two, f.put(putApart))
	f.together("get, documents", two, f.get)
	f.heard(two[0], two[1])
	f.limited(two)
}

type pgFigures struct {
	t      *testing.T
	docs   int
	server *pgtest.Server
	next   atomic.Int64 // ids that nobody has had
}

// spent is what processors and the disk have done.
type spent struct {
	client, tododb, postgres time.Duration // of processors
	commits, wal, trips      int64
}

func (a spent) since(b spent) spent {
	return spent{a.client - b.client, a.tododb - b.tododb, a.postgres - b.postgres, a.commits - b.commits, a.wal - b.wal, a.trips - b.trips}
}

// spent is what was spent until now.
func (f *pgFigures) spent(at []*process) (s spent) {
	s.client = processorTime(f.t, os.Getpid())
	for _, p := range at {
		s.tododb += processorTime(f.t, p.cmd.Process.Pid)
		_, text := p.try("GET", "/_node/_local/_prometheus", "")
		if _, rest, there := strings.Cut(text, "\ntododb_storage_round_trips_total "); there {
			line, _, _ := strings.Cut(rest, "\n")
			trips, err := strconv.ParseFloat(line, 64)
			if err != nil {
				f.t.Fatal(err)
			}
			s.trips += int64(trips)
		}
	}
	s.postgres, s.commits, s.wal = f.server.Spent(f.t)
	return s
}

// processorTime is what a process has had of processors.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	d, err := pgtest.ProcessorTime(pid)
	if err != nil {
		t.Skip(err)
	}
	return d
}

// told prints a rate, and what each request took.
func (f *pgFigures) told(what string, rate float64, n int, s spent) {
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(n) }
	fmt.Printf("  %-36s %10.0f /s; each took ms of processors: client %.3f, tododb %.3f, PostgreSQL %.3f; round trips %.2f, commits %.2f, bytes of log %.0f\n",
		what, rate, each(s.client), each(s.tododb), each(s.postgres), float64(s.trips)/float64(n), float64(s.commits)/float64(n), float64(s.wal)/float64(n))
}

// rate has clients work for a few seconds, spread over processes, and returns how often they did.
func (f *pgFigures) rate(what string, clients int, at []*process, fn func(l *load, n int) error) float64 {
	var done atomic.Int64
	var group sync.WaitGroup
	var loads []*load
	for i := range clients {
		l, err := newLoad(at[i%len(at)])
		if err != nil {
			f.t.Fatal(err)
		}
		defer l.close()
		loads = append(loads, l)
	}
	before, began := f.spent(at), time.Now()
	for _, l := range loads {
		group.Go(func() {
			for time.Since(began) < 3*time.Second {
				if err := fn(l, int(f.next.Add(1))); err != nil {
					f.t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	rate := float64(done.Load()) / time.Since(began).Seconds()
	f.told(what, rate, int(done.Load()), f.spent(at).since(before))
	return rate
}

// What the figures are of.
func putOne(n int) (method, path, body string) {
	return "PUT", fmt.Sprintf("/one/%d", n), "{" + figureDoc(n)
}
func putApart(n int) (method, path, body string) {
	return "PUT", fmt.Sprintf("/apart%d/%d", n%64, n), "{" + figureDoc(n)
}

func (f *pgFigures) put(request func(n int) (method, path, body string)) func(l *load, n int) error {
	return func(l *load, n int) error { return l.do(request(n)) }
}

func (f *pgFigures) get(l *load, _ int) error {
	return l.do("GET", "/bulk/"+fmt.Sprint(rand.IntN(f.docs)), "")
}

// prepare makes the databases.
func (f *pgFigures) prepare(p *process) {
	p.do(201, "PUT", "/bulk", "")
	p.do(201, "PUT", "/one", "")
	for i := range 64 {
		p.do(201, "PUT", fmt.Sprintf("/apart%d", i), "")
	}
}

// alone measures a process.
func (f *pgFigures) alone(at []*process) (figures []float64) {
	p := at[0]
	f.prepare(p)
	var bodies []string
	for from := 0; from < f.docs; from += 1000 {
		bodies = append(bodies, string(bulkOf("{", "", from, 1000)))
	}
	l, err := newLoad(p)
	if err != nil {
		f.t.Fatal(err)
	}
	defer l.close()
	timed := func(what string, n int, fn func() error) float64 {
		before, began := f.spent(at), time.Now()
		if err := fn(); err != nil {
			f.t.Fatal(err)
		}
		rate := float64(n) / time.Since(began).Seconds()
		f.told(what, rate, n, f.spent(at).since(before))
		return rate
	}
	figures = append(figures, timed("bulk", f.docs, func() error {
		for _, b := range bodies {
			if err := l.do("POST", "/bulk/_bulk_docs", b); err != nil {
				return err
			}
		}
		return nil
	}))
	figures = append(figures, f.rate("put into one", 64, at, f.put(putOne)), f.rate("put into 64", 64, at, f.put(putApart)), f.rate("get", 16, at, f.get),
		timed("_changes", 3*f.docs, func() error {
			for range 3 {
				if err := l.do("GET", "/bulk/_changes", ""); err != nil {
					return err
				}
			}
			return nil
		}))
	return append(figures, float64(privateMemory(f.t, p)>>20))
}

// limited compares two processes with one where these are the limit: each has a small part of a processor, so the clients, PostgreSQL and
// the disk have time left.
func (f *pgFigures) limited(two []*process) {
	const share = 0.15
	for i, p := range two {
		if err := limitProcessor(f.t, p.cmd.Process.Pid, fmt.Sprintf("tododb-figures-%d-%d", os.Getpid(), i), share); err != nil {
			fmt.Printf("processes cannot be limited here: %v\n", err)
			return
		}
	}
	limit := fmt.Sprintf(", each with %.2f processors", share)
	f.together("put into one database"+limit, two, f.put(putOne))
	f.together("put into 64 databases"+limit, two, f.put(putApart))
	f.together("get, documents"+limit, two, f.get)
}

// limitProcessor gives a process a share of a processor until the test ends, by a control group of either version.
func limitProcessor(t *testing.T, pid int, name string, share float64) error {
	const period = 10_000 // µs; short, so that it does not run and stand still by turns
	quota := fmt.Sprint(int(share * period))
	err := errors.ErrUnsupported
	for _, way := range []struct {
		dir    string
		limits [][2]string
	}{
		{"/sys/fs/cgroup/cpu", [][2]string{{"cpu.cfs_period_us", fmt.Sprint(period)}, {"cpu.cfs_quota_us", quota}}},
		{"/sys/fs/cgroup", [][2]string{{"cpu.max", quota + " " + fmt.Sprint(period)}}},
	} {
		dir := filepath.Join(way.dir, name)
		if err = os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() {
			_ = os.WriteFile(filepath.Join(way.dir, "cgroup.procs"), fmt.Append(nil, pid), 0) // it may have ended
			_ = os.Remove(dir)
		})
		for _, l := range append(way.limits, [2]string{"cgroup.procs", fmt.Sprint(pid)}) {
			if err = os.WriteFile(filepath.Join(dir, l[0]), []byte(l[1]), 0); err != nil {
				break
			}
		}
		if err == nil {
			return nil
		}
	}
	return err
}

// together compares two processes with one, by turns.
func (f *pgFigures) together(what string, two []*process, fn func(l *load, n int) error) {
	var ratios, alone, both []float64
	for range 3 {
		a := f.rate("one process", 64, two[:1], fn)
		b := f.rate("two processes", 64, two, fn)
		alone, both, ratios = append(alone, a), append(both, b), append(ratios, b/a)
	}
	slices.Sort(ratios)
	fmt.Printf("%-38s %10.0f /s  one process %10.0f /s  ratio %.2f (%.2f to %.2f), wanted 1.20 where processes are the limit\n", "two processes: "+what,
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
