package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// How long a comparison with and without something beside it takes, in parts of besidePart.
const (
	besidePart   = 2 * time.Second
	besideRounds = 9
)

// TestFiguresBeside prints how much writers lose while a backup is made, and while the server compacts.
// With and without take turns, each
// time with is compared with the without before and after it, and the median of that is printed. It runs where
// TODODB_TEST_FIGURES is set.
func TestFiguresBeside(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	docs := fromTestEnv(t, "TODODB_TEST_BACKUP_DOCS", 100_000)
	f := figures{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
	f.server = startServer(t, t.TempDir(), "", "--log-level", "warning")
	set := func(section, name, value string) {
		f.server.do(200, "PUT", "/_node/_local/_config/"+section+"/"+name, fmt.Sprintf("%q", value))
	}
	set("smoosh", "enable", "false")
	set("smoosh", "wait_secs", "0")
	set("smoosh.ratio_dbs", "min_priority", "1.05")
	f.server.do(201, "PUT", "/many", "")
	f.server.do(201, "PUT", "/large", "")
	f.server.do(201, "PUT", "/garbage", "")
	for _, rev := range []string{"", `"_rev":"1-a",`, `"_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},`} {
		db, head := "/garbage", `{"new_edits":false,`
		if rev == "" {
			db, head = "/many", "{"
		}
		for at := 0; at < docs; at += 1000 {
			f.server.do(201, "POST", db+"/_bulk_docs", string(bulkOf(head, rev, at, 1000)))
		}
	}
	noise, random := make([]byte, 1<<20), rand.NewChaCha8([32]byte{})
	for i := range 200 {
		random.Read(noise)
		f.server.do(201, "PUT", fmt.Sprintf("/large/%d/a", i), string(noise))
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	backup := func(db string) func() (stop func()) {
		return func() func() {
			var command atomic.Pointer[exec.Cmd]
			var ended atomic.Bool
			var over sync.WaitGroup
			over.Go(func() {
				for !ended.Load() {
					target, err := os.MkdirTemp("", "tododb-figures-*")
					if err != nil {
						t.Error(err)
						return
					}
					cmd := exec.Command(path, "backup", filepath.Join(target, "b"), "--db", db, "--url", withLogin(f.server))
					if err := cmd.Start(); err != nil {
						t.Error(err)
						return
					}
					command.Store(cmd)
					_ = cmd.Wait()
					os.RemoveAll(target)
				}
			})
			return func() {
				ended.Store(true)
				if cmd := command.Load(); cmd != nil {
					_ = cmd.Process.Kill()
				}
				over.Wait()
			}
		}
	}
	compaction := func() func() {
		set("smoosh", "enable", "true")
		f.server.do(201, "POST", "/garbage", "{}") // what has changed is looked at
		for deadline := time.Now().Add(10 * time.Second); !strings.Contains(f.server.do(200, "GET", "/_active_tasks", ""), "database_compaction"); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no compaction has begun")
			}
		}
		return func() {
			if !strings.Contains(f.server.do(200, "GET", "/_active_tasks", ""), "database_compaction") {
				t.Log("the compaction has ended before its time")
			}
			set("smoosh", "enable", "false")
		}
	}
	f.server.do(201, "PUT", "/busy", "")
	for _, load := range []struct {
		name    string
		clients int
		write   func(n int) (int, error)
	}{
		{"16 clients put", 16, func(n int) (int, error) {
			_, err := f.send("PUT", f.server.base+fmt.Sprintf("/busy/one%d", n), []byte("{"+figureDoc(n)))
			return 1, err
		}},
		{"4 clients write by 200", 4, func(n int) (int, error) {
			_, err := f.send("POST", f.server.base+"/busy/_bulk_docs", bulkOf("{", "", n*200, 200))
			return 200, err
		}},
	} {
		for _, one := range []struct {
			name  string
			start func() (stop func())
		}{
			{"a backup of documents", backup("many")}, {"a backup of attachments", backup("large")}, {"a compaction", compaction},
		} {
			t.Run(load.name+" beside "+one.name, func(t *testing.T) {
				f.beside(load.name+" beside "+one.name, load.clients, load.write, one.start)
			})
		}
	}
}

// bulkOf is a request that writes documents of a revision.
func bulkOf(head, rev string, from, n int) []byte {
	var b strings.Builder
	b.WriteString(head + `"docs":[`)
	for i := from; i < from+n; i++ {
		if i > from {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"_id":"%d",%s%s`, i, rev, figureDoc(i))
	}
	b.WriteString("]}")
	return []byte(b.String())
}

// beside prints how much of the rate of writers is left while something runs.
func (f *figures) beside(what string, clients int, write func(n int) (int, error), start func() (stop func())) {
	var written, next atomic.Int64
	var stop atomic.Bool
	var writers sync.WaitGroup
	base := int(time.Now().Unix() << 20) // ids of its own
	for range clients {
		writers.Go(func() {
			for !stop.Load() {
				n, err := write(base + int(next.Add(1)))
				if err != nil {
					f.t.Error(err)
					return
				}
				written.Add(int64(n))
			}
		})
	}
	defer writers.Wait()
	defer stop.Store(true)
	rate := func() float64 {
		from, began := written.Load(), time.Now()
		time.Sleep(besidePart)
		return float64(written.Load()-from) / time.Since(began).Seconds()
	}
	var without, with, left []float64
	before := rate()
	for range besideRounds {
		end := start()
		with = append(with, rate())
		end()
		after := rate()
		without = append(without, after)
		left = append(left, with[len(with)-1]/((before+after)/2)) // what the machine does besides changes slowly
		before = after
	}
	median := func(rates []float64) float64 {
		slices.Sort(rates)
		return rates[len(rates)/2]
	}
	fmt.Printf("%-58s %6.0f/s, alone %6.0f/s  ratio %.2f (%.2f to %.2f), wanted 0.85\n", what, median(with), median(without), median(left), left[0], left[len(left)-1])
}
