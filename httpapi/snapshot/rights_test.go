package snapshot_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
)

// A file is shared by all who see the whole database, and by nobody else.
func TestWhoGetsASnapshot(t *testing.T) {
	s := httpapitest.OpenWithDB(t, httpapi.Options{}, `{"_id":"doc1"},{"_id":"other"}`)
	whole, _ := httpapitest.Issue(t, s, "anna", `{"databases":["db"],"access":"read","device":"whole"}`)
	part, _ := httpapitest.Issue(t, s, "anna", `{"databases":["db"],"access":"read","id_prefix":"doc","device":"part"}`)
	for _, c := range []struct {
		who, path string
		status    int
		part      string
	}{
		{httpapitest.BasicAuth("admin", "secret"), "/db", 200, `"other"`},
		{httpapitest.As("anna"), "/db", 200, `"other"`},
		{whole, "/db", 200, `"other"`},
		{part, "/db", 403, "only part"},
		{httpapitest.As("ben"), "/db", 403, "forbidden"},
		{"", "/db", 401, "unauthorized"},
		{httpapitest.As("anna"), "/_users", 401, "unauthorized"},
		{httpapitest.BasicAuth("admin", "secret"), "/_users", 403, "replicate instead"},
		{httpapitest.BasicAuth("admin", "secret"), "/_replicator", 403, "replicate instead"},
		{httpapitest.BasicAuth("admin", "secret"), "/nothing", 404, "not_found"},
	} {
		headers := []string{}
		if c.who != "" {
			headers = append(headers, "Authorization", c.who)
		}
		w := httpapitest.Call(s, "GET", c.path+"/_snapshot", "", headers...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.part) {
			t.Errorf("%s of %s: %d %s", c.who, c.path, w.Code, w.Body)
		}
	}
}

func TestFilteredSnapshots(t *testing.T) {
	s := httpapitest.OpenDB(t)
	ddoc := func(changes, rev, of string) {
		httpapitest.Wants(t, ask(s, "PUT", "/db/_design/d", `{`+rev+`"options":{"changes":`+changes+`},"filters":{"f":"function(){return true}"},"views":{"v":{"map":"function(doc){if(doc.`+of+`)emit(doc.`+of+`)}"}}}`), http.StatusCreated, "")
	}
	ddoc("true", "", "list")
	httpapitest.Wants(t, ask(s, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"a","list":"x"},{"_id":"b","list":"y","kind":"x"},{"_id":"c","list":"x"},{"_id":"d"}]}`), http.StatusCreated, "")
	ids := func(query string) string {
		t.Helper()
		docs, _ := take(t, s, "/db/_snapshot?"+query)
		found := ""
		for _, d := range docs {
			found += httpapitest.Text(t, d, "_id") + " "
		}
		return strings.TrimSpace(found)
	}
	for query, want := range map[string]string{
		"filter=_view&view=d/v":                  "a b c",
		"filter=_view&view=d/v&key=%22x%22":      "a c",
		"filter=_view&view=d/v&startkey=%22y%22": "b",
		"filter=_doc_ids&doc_ids=[%22d%22]":      "d",
		"filter=_design":                         "_design/d",
		"":                                       "_design/d a b c d",
	} {
		if got := ids(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	httpapitest.Wants(t, ask(s, "PUT", "/db/e", `{"list":"x"}`), http.StatusCreated, "")
	httpapitest.Wants(t, ask(s, "PUT", "/db/f", `{"list":"y"}`), http.StatusCreated, "")
	if got := ids("filter=_view&view=d/v&key=%22x%22"); got != "a c e" {
		t.Errorf("after a change: %s", got)
	}
	// Another function under the name is another filter.
	ddoc("true", `"_rev":"`+httpapitest.RevOf(t, s, "/db/_design/d")+`",`, "kind")
	if got := ids("filter=_view&view=d/v&key=%22x%22"); got != "b" {
		t.Errorf("with another function: %s", got)
	}
	// Without an index of changes the function is asked, and keys do not count, as in _changes.
	ddoc("false", `"_rev":"`+httpapitest.RevOf(t, s, "/db/_design/d")+`",`, "list")
	if got := ids("filter=_view&view=d/v"); got != "a b c e f" {
		t.Errorf("without an index: %s", got)
	}
	for query, part := range map[string]string{
		"filter=d/f":                  "may depend on who asks",
		"filter=_selector":            "",
		"filter=_nothing":             "",
		"filter=_view":                "view",
		"filter=_view&view=d/v&key=x": "",

		"filter=_view&view=d/v&key=%22x%22": "keeps its changes", // d does not, by now
		"key=%22x%22":                       "filter=_view",
		"filter=_design&keys=[%22x%22]":     "filter=_view",
		"view=d/v":                          "filter=_view",
		"doc_ids=[%22d%22]":                 "filter=_doc_ids",
		"since=0":                           "`since`",
		"filter=_view&view=d/v&Limit=1":     "`limit`",
		"skip=1":                            "`skip`",
		"descending=true":                   "`descending`",
		"feed=continuous&heartbeat=1000":    "`feed`",
	} {
		w := ask(s, "GET", "/db/_snapshot?"+query, "")
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), part) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	httpapitest.Wants(t, ask(s, "GET", "/db/_snapshot?filter=_view&view=none/v", ""), http.StatusNotFound, "")
}

func TestTheModule(t *testing.T) {
	s := httpapitest.OpenDB(t)
	w := httpapitest.Call(s, "GET", "/_snapshot.js", "")
	etag := w.Header().Get("Etag")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "export async function firstSync") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") || etag == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if n := strings.Count(w.Body.String(), "\n"); n > 40 {
		t.Errorf("it has %d lines, and is to be read in one look", n)
	}
	if w := httpapitest.Call(s, "GET", "/_snapshot.js", "", "If-None-Match", etag); w.Code != http.StatusNotModified {
		t.Errorf("%d with its ETag", w.Code)
	}
}
