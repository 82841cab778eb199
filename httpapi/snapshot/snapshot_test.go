package snapshot_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/tododb/tododb/httpapi/httpapitest"
)

// ask asks as the administrator.
func ask(s http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	return httpapitest.Call(s, method, path, body, append(headers, "Admin", "")...)
}

// unpacked is the body of an answer without its coding.
func unpacked(t testing.TB, h http.Header, body []byte) []byte {
	t.Helper()
	in := io.Reader(bytes.NewReader(body))
	var err error
	switch coding := h.Get("Content-Encoding") + h.Get("Content-Type"); coding {
	case "application/x-ndjson":
	case "gzipapplication/x-ndjson", "application/gzip":
		z, zerr := gzip.NewReader(in)
		if zerr != nil {
			t.Fatal(zerr)
		}
		z.Multistream(false) // as browsers do it
		in = z
		defer func() {
			if n, _ := in.Read(make([]byte, 1)); n > 0 {
				t.Error("more follows the gzip file")
			}
		}()
	case "zstdapplication/x-ndjson", "application/zstd":
		z, zerr := zstd.NewReader(in)
		if zerr != nil {
			t.Fatal(zerr)
		}
		defer z.Close()
		in = z
	default:
		t.Fatalf("coding %q", coding)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// take gets a snapshot: its lines with documents, and the sequence in its last line.
func take(t testing.TB, s http.Handler, path string, headers ...string) (docs []string, since string) {
	t.Helper()
	w := ask(s, "GET", path, "", headers...)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return split(t, unpacked(t, w.Header(), w.Body.Bytes()))
}

func split(t testing.TB, b []byte) (docs []string, since string) {
	t.Helper()
	for line := range strings.Lines(string(b)) {
		var l struct {
			ID   string `json:"_id"`
			Last string `json:"last_seq"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("line %q: %v", line, err)
		}
		since = l.Last
		if l.ID != "" {
			docs = append(docs, line)
		}
	}
	if since == "" {
		t.Fatal("the last line is no place")
	}
	return docs, since
}

// forms are all the forms in which a snapshot can be had, as headers.
var forms = [][]string{
	{"Accept-Encoding", "gzip"}, {"Accept-Encoding", "gzip, zstd"}, {},
	{"Accept", "application/gzip"}, {"Accept", "application/zstd"},
}

// copyOf makes a new database of a snapshot and what has changed since, as a client would.
func copyOf(t testing.TB, s http.Handler, name, from string, docs []string, since string) {
	t.Helper()
	httpapitest.Wants(t, ask(s, "PUT", "/"+name, ""), http.StatusCreated, "")
	put := func(docs []string) {
		t.Helper()
		if len(docs) > 0 {
			httpapitest.Wants(t, ask(s, "POST", "/"+name+"/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`), http.StatusCreated, "[]")
		}
	}
	for batch := range slices.Chunk(docs, 1000) {
		put(batch)
	}
	var feed struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
		}
	}
	w := ask(s, "GET", "/"+from+"/_changes?style=all_docs&since="+since, "")
	if err := json.Unmarshal(w.Body.Bytes(), &feed); err != nil || w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	for _, row := range feed.Results {
		put(leaves(t, s, from, row.ID))
	}
}

// leaves are the leaves of a document with histories and attachments, in order.
func leaves(t testing.TB, s http.Handler, db, id string) (docs []string) {
	t.Helper()
	w := ask(s, "GET", "/"+db+"/"+id+"?open_revs=all&revs=true&attachments=true", "", "Accept", "application/json")
	var revs []struct{ OK json.RawMessage }
	if err := json.Unmarshal(w.Body.Bytes(), &revs); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", id, w.Code, w.Body)
	}
	for _, r := range revs {
		docs = append(docs, string(r.OK))
	}
	sort.Strings(docs)
	return docs
}

// contents are the documents of a database that are not deleted, with all their leaves.
func contents(t testing.TB, s http.Handler, db string) map[string][]string {
	t.Helper()
	var all struct{ Rows []struct{ ID string } }
	if err := json.Unmarshal(ask(s, "GET", "/"+db+"/_all_docs", "").Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, row := range all.Rows {
		found[row.ID] = leaves(t, s, db, row.ID)
	}
	return found
}

func same(t testing.TB, s http.Handler, copied, db string) {
	t.Helper()
	got, want := contents(t, s, copied), contents(t, s, db)
	for id := range got {
		if want[id] == nil {
			t.Errorf("%s is in the copy and not in the database", id)
		}
	}
	for id := range want {
		if !slices.Equal(got[id], want[id]) {
			t.Errorf("%s is %s\nin the database, and in the copy %s", id, want[id], got[id])
		}
	}
}

// edits are random writes to documents of which nobody else writes meanwhile: each sees what it wrote last,
// so each write is taken.
type edits struct {
	t    testing.TB
	s    http.Handler
	rand *rand.Rand
	ids  []int // of the documents
}

// numbers are those from first on, every step-th of sixty.
func numbers(first, step int) (all []int) {
	for i := first; i < 60; i += step {
		all = append(all, i)
	}
	return all
}

func (e *edits) one() {
	id := fmt.Sprintf("doc%d", e.ids[e.rand.IntN(len(e.ids))])
	var now struct {
		Rev string `json:"_rev"`
	}
	_ = json.Unmarshal(ask(e.s, "GET", "/db/"+id, "").Body.Bytes(), &now) // no document: no revision
	rev := ""
	if now.Rev != "" {
		rev = fmt.Sprintf(`"_rev":%q,`, now.Rev)
	}
	status, w := http.StatusCreated, (*httptest.ResponseRecorder)(nil)
	switch kind := e.rand.IntN(10); {
	case kind < 5:
		w = ask(e.s, "PUT", "/db/"+id, fmt.Sprintf(`{%s"n":%d,"text":%q}`, rev, e.rand.Int(), strings.Repeat("word ", e.rand.IntN(500))))
	case kind < 7 && now.Rev != "":
		w, status = ask(e.s, "DELETE", "/db/"+id+"?rev="+now.Rev, ""), http.StatusOK
	case kind < 9:
		n := e.rand.Int64()
		w = ask(e.s, "POST", "/db/_bulk_docs", fmt.Sprintf(`{"new_edits":false,"docs":[{"_id":%q,"_rev":"2-%032x","_revisions":{"start":2,"ids":["%032x","%032x"]},"_deleted":%t}]}`, id, n, n, n%3, n%4 == 0))
	default:
		w = ask(e.s, "PUT", "/db/"+id, fmt.Sprintf(`{%s"_attachments":{"a.txt":{"content_type":"text/plain","data":"aGVsbG8="}}}`, rev))
	}
	if w.Code != status {
		e.t.Errorf("%s, which was at %q: %d %s", id, now.Rev, w.Code, w.Body)
	}
}

func (e *edits) purge() {
	for id, docs := range contents(e.t, e.s, "db") {
		var doc struct {
			Rev string `json:"_rev"`
		}
		if err := json.Unmarshal([]byte(docs[0]), &doc); err != nil {
			e.t.Fatal(err)
		}
		httpapitest.Wants(e.t, ask(e.s, "POST", "/db/_purge", fmt.Sprintf(`{%q:[%q]}`, id, doc.Rev)), http.StatusCreated, "")
		return
	}
}

// A snapshot and the changes since its last line are the database: its documents with all their
// leaves, histories and attachments. That holds while others write, after deletions and purges,
// whether the file is new or was added to, and in every coding.
func TestASnapshotAndTheChangesAreTheDatabase(t *testing.T) {
	s := httpapitest.OpenDB(t)
	e := &edits{t, s, rand.New(rand.NewPCG(1, 2)), numbers(0, 1)}
	for round := range 12 {
		for range e.rand.IntN(60) {
			e.one()
		}
		if round%4 == 3 {
			e.purge()
		}
		var writers sync.WaitGroup
		stop := make(chan struct{})
		for n := range 2 {
			other := &edits{t, s, rand.New(rand.NewPCG(uint64(round), uint64(n))), numbers(n, 2)}
			writers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						other.one()
					}
				}
			})
		}
		docs, since := take(t, s, "/db/_snapshot?attachments=true", forms[round%len(forms)]...)
		close(stop)
		writers.Wait()
		name := fmt.Sprintf("copy%d", round)
		copyOf(t, s, name, "db", docs, since)
		same(t, s, name, "db")
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

// Who has nothing need not learn of documents that are gone, unless the file has them already.
func TestTombstones(t *testing.T) {
	s := httpapitest.OpenDB(t)
	httpapitest.Wants(t, ask(s, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"a"},{"_id":"b"},{"_id":"c"}]}`), http.StatusCreated, "")
	drop := func(id string) {
		httpapitest.Wants(t, ask(s, "DELETE", "/db/"+id+"?rev="+httpapitest.RevOf(t, s, "/db/"+id), ""), http.StatusOK, "")
	}
	drop("a")
	if docs, _ := take(t, s, "/db/_snapshot"); len(docs) != 2 {
		t.Errorf("the first snapshot has %q", docs)
	}
	drop("b")
	docs, since := take(t, s, "/db/_snapshot")
	if len(docs) != 3 || !strings.Contains(docs[2], `"_deleted":true`) {
		t.Errorf("the second snapshot has %q", docs)
	}
	httpapitest.Wants(t, ask(s, "GET", "/db/_changes?since="+since, ""), http.StatusOK, "\"results\":[\n\n]")
}
