package httpapi_test

import (
	"strings"
	"testing"
)

// A design document is parsed once for all queries, filters, validations, shows and searches. It is
// parsed again only after it has changed.
func TestDesignDocumentsAreParsedOnce(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	put := func(id, rev, more string) (newRev string) {
		path := "/db/" + id
		if rev != "" {
			path += "?rev=" + rev
		}
		w := call(s, "PUT", path, `{`+more+`}`, "Admin", "")
		if w.Code != 201 {
			t.Fatalf("%s: %d %s", id, w.Code, w.Body)
		}
		return strings.Split(strings.Split(w.Body.String(), `"rev":"`)[1], `"`)[0]
	}
	ddoc := func(value string) string {
		return `"views":{"v":{"map":"function(doc){ emit(doc.n, ` + value + `) }"}},
			"filters":{"f":"function(doc){ return doc.n > ` + value + ` }"},"shows":{"s":"function(){ return '` + value + `' }"},
			"validate_doc_update":"function(doc){ if (doc.n > 10 * ` + value + `) throw {forbidden: 'too much'} }"`
	}
	rev := put("_design/d", "", ddoc("1"))
	put("_design/other", "", `"views":{"w":{"map":"function(doc){}"}}`)
	put("_design/m", "", `"language":"query","views":{"n":{"map":{"fields":{"n":"asc"}},"reduce":"_count","options":{"def":{"fields":["n"]}}}}`)
	put("a", "", `"n":2`)
	// ask uses everything that reads design documents.
	ask := func(value, filtered string, tooMuch int) {
		t.Helper()
		for _, c := range []struct{ method, path, body, want string }{
			{"GET", "/db/_design/d/_view/v", "", `"key":2,"value":` + value},
			{"POST", "/db/_design/d/_view/v/queries", `{"queries":[{},{"key":2}]}`, `"value":` + value},
			{"GET", "/db/_design/other/_view/w", "", `"rows":[`},
			{"GET", "/db/_changes?filter=d/f", "", filtered},
			{"GET", "/db/_changes?filter=_view&view=d/v", "", `"id":"a"`},
			{"GET", "/db/_design/d/_show/s", "", value},
			{"GET", "/db/_design/d/_info", "", `"language":"javascript"`},
			{"GET", "/db/_index", "", `"name":"n"`},
			{"POST", "/db/_find", `{"selector":{"n":2}}`, `"_id":"a"`},
			{"PUT", "/db/b", `{"n":15}`, map[int]string{201: `"ok":true`, 403: `too much`, 409: `conflict`}[tooMuch]},
		} {
			if got := call(s, c.method, c.path, c.body, "Admin", "").Body.String(); !strings.Contains(got, c.want) {
				t.Errorf("%s %s: %s, want %s in it", c.method, c.path, got, c.want)
			}
		}
	}
	parsed := func() int64 { return s.Designs.Figures().Parsed }
	ask("1", `"id":"a"`, 403)
	first := parsed()
	for range 20 {
		ask("1", `"id":"a"`, 403)
	}
	if got := parsed() - first; got != 0 {
		t.Errorf("the same design documents are parsed %d times more", got)
	}
	put("_design/d", rev, ddoc("2"))
	ask("2", `"results":[`, 201)
	if got := parsed() - first; got != 1 {
		t.Errorf("after a change of one, %d are parsed", got)
	}
	if got := call(s, "GET", "/db/_changes?filter=d/f", "", "Admin", "").Body.String(); strings.Contains(got, `"id":"a"`) {
		t.Errorf("the filter of before lets through %s", got)
	}

	// A new database of the same name does not have it.
	if w := call(s, "DELETE", "/db", "", "Admin", ""); w.Code != 200 {
		t.Fatal(w.Body)
	}
	if got := s.Designs.Figures(); got.Databases != 0 {
		t.Errorf("of a deleted database there is kept %+v", got)
	}
	if w := call(s, "PUT", "/db", "", "Admin", ""); w.Code != 201 {
		t.Fatal(w.Body)
	}
	if w := call(s, "GET", "/db/_design/d/_view/v", "", "Admin", ""); w.Code != 404 {
		t.Errorf("the view of a deleted database answers %d %s", w.Code, w.Body)
	}
	put("b", "", `"n":100`)
	put("_design/d", "", ddoc("20"))
	if got := call(s, "GET", "/db/_design/d/_view/v", "", "Admin", "").Body.String(); !strings.Contains(got, `"key":100,"value":20`) {
		t.Error(got)
	}
}
