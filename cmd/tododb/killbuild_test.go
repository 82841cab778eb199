package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A server that is killed while it builds a view for the first time goes on with what it had sorted.
func TestKillDuringAFirstBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs many documents")
	}
	const docs = 100_000 // five runs
	dir := t.TempDir()
	p := startServer(t, dir, "", "--log-level", "warning")
	p.do(201, "PUT", "/db", "")
	for from := 0; from < docs; from += 5000 {
		var b strings.Builder
		for i := from; i < from+5000; i++ {
			fmt.Fprintf(&b, `,{"_id":%q,"n":%d}`, figureID(i), i%1000)
		}
		p.do(201, "POST", "/db/_bulk_docs", `{"docs":[`+b.String()[1:]+`]}`)
	}
	view := ""
	for try := 0; view == ""; try++ { // the machine may have other things to do than to run this test
		if try == 10 {
			t.Fatal("all were built before the server could be killed")
		}
		design := fmt.Sprintf("/db/_design/d%d", try)
		p.do(201, "PUT", design, fmt.Sprintf(`{"views":{"n":{"map":"function(doc){emit(doc.n, 1)} //%d","reduce":"_sum"}}}`, try))
		built := make(chan struct{})
		asked := p.request("GET", design+"/_view/n", "")
		go func() {
			defer close(built)
			if answer, err := http.DefaultClient.Do(asked); err == nil {
				answer.Body.Close()
			}
		}()
		if twoRuns(dir, built) {
			view = design + "/_view/n"
			p.kill()
		}
		<-built
	}

	p = startServer(t, dir, "", "--log-level", "info")
	p.do(201, "PUT", "/db/later", `{"n":7}`)
	if got, want := p.do(200, "GET", view, ""), fmt.Sprintf(`"value":%d`, docs+1); !strings.Contains(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	if got := p.do(200, "GET", view+"?key=7", ""); !strings.Contains(got, fmt.Sprintf(`"value":%d`, docs/1000+1)) {
		t.Error(got)
	}
	if log := p.log.String(); !strings.Contains(log, "the building of an index goes on") {
		t.Errorf("it has begun anew:\n%s", log)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "scratch", "*")); len(left) > 0 {
		t.Errorf("%v stay", left)
	}
}

// twoRuns waits until a build has two runs that are whole; false if it is over before that.
func twoRuns(dir string, over <-chan struct{}) bool {
	for {
		lists, _ := filepath.Glob(filepath.Join(dir, "scratch", "rows-*.made"))
		if len(lists) == 1 {
			if list, _ := os.ReadFile(lists[0]); bytes.Count(list, []byte("\n")) > 2 { // what they are of, and the runs
				return true
			}
		}
		select {
		case <-over:
			return false
		case <-time.After(time.Millisecond):
		}
	}
}
