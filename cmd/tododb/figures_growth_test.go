package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// TestFiguresGrowth prints how insertion in bulk, and the building of indexes, fare as a database grows: the
// rates and the processor time for each document at 20,000 documents and at TODODB_TEST_DOCUMENTS (2,000,000),
// and how much of the small one's speed the large one has. With TODODB_TEST_GROWTH, a folder, the documents
// stay there, and a later run goes on with them.
func TestFiguresGrowth(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	folder := os.Getenv("TODODB_TEST_GROWTH")
	if folder == "" {
		folder = t.TempDir()
	}
	large := fromTestEnv(t, "TODODB_TEST_DOCUMENTS", 2_000_000) / 1000 * 1000
	g := growth{figures: figures{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}}
	g.server = startServer(t, folder, "", "--log-level", "warning")

	const small = 20_000
	for _, ids := range []string{"random", "sequential"} {
		// A small database is over soon, and the machine may have other things to do: the best of several tells most.
		few := g.insert(g.emptied("first_"+ids), ids, small)
		for range 4 {
			if again := g.insert(g.emptied("first_"+ids), ids, small); again.rate > few.rate {
				few = again
			}
		}
		name := "large_" + ids
		if at := g.documents(name); at < large {
			g.insert(name, ids, large-at)
		}
		g.compare("bulk insert, ids "+ids, few, g.insert(name, ids, 100_000), 0.6)
	}

	many := "large_random"
	for _, what := range []struct {
		name  string
		build func(db string) growthFigure
	}{{"two views built", g.views}, {"Mango index built", g.mango}} {
		few := what.build("first_random")
		for range 4 {
			if again := what.build("first_random"); again.rate > few.rate {
				few = again
			}
		}
		at := what.build(many)
		g.compare(what.name, few, at, 0.8)
		fmt.Printf("%-38s %10d MiB, wanted 150\n", what.name+", memory", at.memory>>20)
	}
}

type growth struct{ figures }

// growthFigure is what work on some documents took.
type growthFigure struct {
	rate      float64       // documents a second
	processor time.Duration // for each document, of the server and its workers
	memory    int64         // the most of the server's own
}

func (g *growth) compare(what string, few, many growthFigure, want float64) {
	fmt.Printf("%-38s %8.0f /s at 20,000, %8.0f /s at the end  ratio %.2f, wanted %.2f; processor %v and %v a document, ratio %.2f\n",
		what, few.rate, many.rate, many.rate/few.rate, want, few.processor, many.processor, few.processor.Seconds()/many.processor.Seconds())
}

// spent is the processor time that the server has had, and the processes that it has now.
func (g *growth) spent() (sum time.Duration) {
	server := g.server.cmd.Process.Pid
	sum = processorTime(g.t, server)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && fields[1] == strconv.Itoa(server) {
			d, _ := pgtest.ProcessorTime(pid)
			sum += d
		}
	}
	return sum
}

// measure has fn work on so many documents.
func (g *growth) measure(docs int, fn func() error) (f growthFigure) {
	g.t.Helper()
	peak := peakMemory(g.server.cmd.Process.Pid)
	before, began := g.spent(), time.Now()
	err := fn()
	f.rate = float64(docs) / time.Since(began).Seconds()
	f.processor = ((g.spent() - before) / time.Duration(docs)).Round(100 * time.Nanosecond)
	f.memory = peak()
	if err != nil {
		g.t.Fatal(err)
	}
	return f
}

// emptied is an empty database.
func (g *growth) emptied(name string) string {
	g.server.try("DELETE", "/"+name, "") // it may not be there
	g.server.do(201, "PUT", "/"+name, "")
	return name
}

// documents is how many a database has, which is made if need be.
func (g *growth) documents(name string) (n int) {
	g.server.try("PUT", "/"+name, "") // it may be there
	_, text, _ := strings.Cut(g.server.do(200, "GET", "/"+name, ""), `"doc_count":`)
	fmt.Sscan(text, &n)
	return n
}

// insert writes documents by 1,000.
func (g *growth) insert(name, ids string, docs int) growthFigure {
	from := g.documents(name)
	r := rand.New(rand.NewPCG(uint64(from), 7))
	return g.measure(docs, func() error {
		for at := from; at < from+docs; at += 1000 {
			b := []byte(`{"docs":[`)
			for i := at; i < at+1000; i++ {
				if i > at {
					b = append(b, ',')
				}
				id := fmt.Sprintf("%026x%06x", 0x3f2a, 7*i) // as the server's own ids are
				if ids == "random" {
					id = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
				}
				b = fmt.Appendf(b, `{"_id":%q,"type":"type-%02d","n":%d,"owner":"user%03d","name":"a small document"}`, id, i%40, i*7919%1_000_003, i/1000)
			}
			if _, err := g.send("POST", g.server.base+"/"+name+"/_bulk_docs", append(b, `]}`...)); err != nil {
				return err
			}
		}
		return nil
	})
}

// views has two views of one design document built. Each has functions that no other index has.
func (g *growth) views(db string) growthFigure {
	docs, mark := g.documents(db), rand.Uint64()
	design := fmt.Sprintf("/%s/_design/two%x", db, mark)
	g.server.do(201, "PUT", design, fmt.Sprintf(`{"views":{"type":{"map":"function(doc){emit(doc.type, doc.n)} //%x","reduce":"_sum"},"n":{"map":"function(doc){emit(doc.n, null)}"}}}`, mark))
	return g.measure(docs, func() error {
		_, err := g.send("GET", g.server.base+design+"/_view/n?limit=1", nil)
		return err
	})
}

func (g *growth) mango(db string) growthFigure {
	docs, name := g.documents(db), fmt.Sprintf("m%x", rand.Uint64())
	defer func() { g.server.do(200, "DELETE", "/"+db+"/_index/"+name+"/json/"+name, "") }()
	return g.measure(docs, func() error {
		_, err := g.send("POST", g.server.base+"/"+db+"/_index", fmt.Appendf(nil, `{"index":{"fields":["owner"]},"ddoc":%q,"name":%q}`, name, name))
		if err == nil {
			_, err = g.send("POST", g.server.base+"/"+db+"/_find", fmt.Appendf(nil, `{"selector":{"owner":"user001"},"limit":1,"use_index":[%q,%q]}`, name, name))
		}
		return err
	})
}
