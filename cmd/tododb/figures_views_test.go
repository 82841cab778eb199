package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"
)

// TestFiguresViews prints the rates of views: one with 100,000 rows, another with a million.
func TestFiguresViews(t *testing.T) {
	if os.Getenv("TODODB_TEST_FIGURES") == "" {
		t.Skip("TODODB_TEST_FIGURES is not set")
	}
	f := figures{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
	f.server = startServer(t, t.TempDir(), "", "--log-level", "warning")
	f.server.do(201, "PUT", "/views", "")
	for from := 0; from < figureDocs; from += 1000 {
		b := []byte(`{"docs":[`)
		for i := from; i < from+1000; i++ {
			if i > from {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"_id":%q,"type":"type-%02d","n":%d,"owner":"user%03d","name":"a small document"}`, figureID(i), i%40, i, i/1000)
		}
		if _, err := f.send("POST", f.server.base+"/views/_bulk_docs", append(b, `]}`...)); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name, design string) {
		f.server.do(201, "PUT", "/views/_design/"+name, design)
	}
	ask := func(path string) {
		if _, err := f.send("GET", f.server.base+"/views/"+path, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("two", `{"views":{"type":{"map":"function(doc){emit(doc.type, doc.n)}","reduce":"_sum"},"n":{"map":"function(doc){emit(doc.n, null)}"}}}`)
	began := time.Now()
	ask("_design/two/_view/n?limit=1")
	f.print("two views built, documents", figureDocs/time.Since(began).Seconds(), "", 0, 50_000) // in processes of their own
	f.print("view, rows", f.rows("/views/_design/two/_view/n"), "", 0, 150_000)
	all := f.median(ask, `_all_docs?limit=20&startkey=%22doc-8%22`)
	f.printTime("view, 20 rows from a key", f.median(ask, "_design/two/_view/n?limit=20&startkey=50000"), 2*all)
	f.printTime("group=true, 40 groups of 100,000", f.median(ask, "_design/two/_view/type?group=true"), 2*time.Millisecond)
	f.printTime("reduce of a range of 100,000", f.median(ask, `_design/two/_view/type?startkey=%22type-03%22&endkey=%22type-31%22`), 2*time.Millisecond)

	put("million", `{"views":{"type":{"map":"function(doc){for (var i = 0; i < 10; i++) emit([doc.type, i, doc.n], i)}","reduce":"_sum"}}}`)
	began = time.Now()
	ask("_design/million/_view/type?limit=1")
	f.print("a million rows built, rows", 10*figureDocs/time.Since(began).Seconds(), "", 0, 100_000)
	f.printTime("group_level=1, 40 groups of 1,000,000", f.median(ask, "_design/million/_view/type?group_level=1"), 2*time.Millisecond)
	f.printTime("reduce of a range of 1,000,000", f.median(ask, `_design/million/_view/type?startkey=[%22type-03%22]&endkey=[%22type-31%22]`), 2*time.Millisecond)
	f.printTime("20 rows behind 500,000 that are skipped", f.median(ask, "_design/million/_view/type?reduce=false&limit=20&skip=500000"), 2*time.Millisecond)

	put("owner", `{"options":{"changes":true},"views":{"owner":{"map":"function(doc){emit(doc.owner)}"}}}`)
	ask("_design/owner/_view/owner?limit=1")
	f.printTime("changes of 1,000 documents in 100,000", f.median(ask, `_changes?filter=_view&view=owner/owner&key=%22user042%22`), f.median(ask, "_changes?limit=1000")*3)
}

// median is the time that a request takes, the median of 21.
func (f *figures) median(ask func(path string), path string) time.Duration {
	var took []time.Duration
	for range 21 {
		began := time.Now()
		ask(path)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

func (f *figures) printTime(what string, took, want time.Duration) {
	fmt.Printf("%-42s %10s, wanted %s\n", what, took.Round(10*time.Microsecond), want.Round(10*time.Microsecond))
}
