package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/storetest"
)

// viewServer makes a server whose database has documents with k and v, and a design
// document with a view of them that counts and one that refers to others.
func viewServer(t testing.TB, n int) *Server {
	t.Helper()
	s := openDBServer(t)
	var docs []string
	for i := range n {
		docs = append(docs, fmt.Sprintf(`{"_id":"d%04d","k":%d,"v":%d}`, i, i/2, i))
	}
	docs = append(docs, `{"_id":"_design/d","views":{
		"v":{"map":"function(doc){ if ('k' in doc) emit(doc.k, doc.v) }","reduce":"_sum"},
		"links":{"map":"function(doc){ if ('k' in doc) emit(doc.k, {_id: 'd000' + (doc.v + 1)}) }"}}}`)
	if w := call(s, "POST", "/db/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, "Admin", ""); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return s
}

func TestViews(t *testing.T) {
	t.Parallel()
	s := viewServer(t, 6)
	row := func(i int) string { return fmt.Sprintf(`{"id":"d%04d","key":%d,"value":%d}`, i, i/2, i) }
	rows := func(offset int, rows ...string) string {
		b := fmt.Sprintf("{\"total_rows\":6,\"offset\":%d,\"rows\":[", offset)
		for i, r := range rows {
			if i > 0 {
				b += ","
			}
			b += "" + r
		}
		return b + "]}"
	}
	const v = "/db/_design/d/_view/v"
	runDocSteps(t, s, []docStep{
		{"GET", v, "", 200, "{\"rows\":[{\"key\":null,\"value\":15}]}"},
		{"GET", v + "?group=true", "", 200, "{\"rows\":[{\"key\":0,\"value\":1},{\"key\":1,\"value\":5},{\"key\":2,\"value\":9}]}"},
		{"GET", v + "?group=true&descending=true&skip=1&limit=1", "", 200, "{\"rows\":[{\"key\":1,\"value\":5}]}"},
		{"GET", v + "?startkey=7", "", 200, "{\"rows\":[]}"},
		{"GET", v + "?reduce=false&limit=2", "", 200, rows(0, row(0), row(1))},
		{"GET", v + "?reduce=false&skip=4", "", 200, rows(4, row(4), row(5))},
		{"GET", v + "?reduce=false&limit=0", "", 200, rows(0)},
		{"GET", v + "?reduce=false&key=1", "", 200, rows(2, row(2), row(3))},
		{"GET", v + "?reduce=false&startkey=1&startkey_docid=d0003&endkey=2&endkey_docid=d0004", "", 200, rows(3, row(3), row(4))},
		{"GET", v + "?reduce=false&start_key=1&end_key=2&inclusive_end=false&descending=false", "", 200, rows(2, row(2), row(3))},
		{"GET", v + "?reduce=false&descending=true&startkey=1&limit=3", "", 200, rows(2, row(3), row(2), row(1))},
		{"POST", v + "?reduce=false", `{"keys":[2,9,0],"limit":3}`, 200, rows(4, row(4), row(5), row(0))},
		{"POST", v, `{"keys":[2,0],"reduce":false,"skip":3}`, 200, rows(1, row(1))},
		{"POST", v + "?reduce=false", `{"keys":"a"}`, 400, "{\"error\":\"bad_request\",\"reason\":\"`keys` member must be an array.\"}"},
		{"POST", "/db/_all_docs", `{"keys":"a"}`, 400, "{\"error\":\"bad_request\",\"reason\":\"`keys` body member must be an array.\"}"},
		// Each of several keys is a range of its own.
		{"POST", v + "?reduce=false", `{"keys":[2,0],"startkey_docid":"d0001"}`, 200, rows(4, row(4), row(5), row(1))},
		{"POST", v + "?reduce=false&endkey_docid=d0004", `{"keys":[2,0]}`, 200, rows(4, row(4), row(0), row(1))},
		{"POST", v + "?reduce=false&startkey_docid=d0001&endkey_docid=d0004", `{"keys":[0,2]}`, 200, rows(1, row(1), row(4))},
		{"POST", v + "?reduce=false&startkey_docid=d0004&endkey_docid=d0001", `{"keys":[0,2]}`, 200, rows(4)},
		{"POST", v + "?reduce=false&inclusive_end=false", `{"keys":[0,2]}`, 200, rows(4)},
		{"POST", v + "?reduce=false&inclusive_end=false&endkey_docid=d0005", `{"keys":[0,2]}`, 200, rows(0, row(0), row(1), row(4))},
		{"POST", v + "?reduce=false&descending=true&startkey_docid=d0004", `{"keys":[2,0]}`, 200, rows(4, row(1), row(0), row(4))},
		{"POST", v + "?reduce=false&startkey_docid=d0001&skip=1&limit=1", `{"keys":[0,1,2]}`, 200, rows(2, row(2))},
		{"POST", v + "?reduce=false&key=1", `{"keys":[0]}`, 200, rows(0, row(0), row(1))},
		{"POST", v + "?reduce=false&key=1", `{"keys":[0,1]}`, 400, "~`keys` is incompatible"},
		{"GET", v + "?reduce=false&key=1&inclusive_end=false", "", 200, rows(2)},
		{"GET", v + "?reduce=false&key=1&startkey_docid=d0003", "", 200, rows(3, row(3))},
		{"GET", v + "?reduce=false&startkey_docid=d0003", "", 200, rows(0, row(0), row(1), row(2), row(3), row(4), row(5))},
		// An empty id is before the ids of all documents.
		{"GET", v + "?reduce=false&startkey=0&endkey=1&endkey_docid=", "", 200, rows(0, row(0), row(1))},
		{"GET", v + "?reduce=false&descending=true&startkey=1&startkey_docid=", "", 200, rows(4, row(1), row(0))},
		{"GET", v + "?reduce=false&startkey=1&startkey_docid=&endkey=1", "", 200, rows(2, row(2), row(3))},
		{"POST", v + "?group=true&startkey_docid=d0003&endkey_docid=d0004", `{"keys":[0,1,2]}`, 200, "{\"rows\":[{\"key\":1,\"value\":3},{\"key\":2,\"value\":4}]}"},
		{"POST", v + "/queries", `{"queries":[{"key":1},{"reduce":false,"key":0,"limit":1}]}`, 200,
			"{\"results\":[{\"rows\":[{\"key\":null,\"value\":5}]}," + rows(0, row(0)) + "]}"},
		{"POST", v + "/queries", `{"queries":[]}`, 200, "{\"results\":[]}"},
		{"GET", v + "?update_seq=true&limit=0", "", 200, "~^{\"update_seq\":\"7-\\w+\",\"rows\":\\["},
		{"HEAD", v, "", 200, ""},

		{"GET", v + "?include_docs=true", "", 400, "{\"error\":\"query_parse_error\",\"reason\":\"`include_docs` is invalid for reduce\"}"},
		{"GET", v + "?startkey=2&endkey=1", "", 400, `~No rows can match .* descending=true`},
		{"GET", v + "?startkey=1&endkey=2&descending=true", "", 400, `~No rows can match .* descending=false`},
		{"POST", v, `{"keys":[1,2]}`, 400, "~Multi-key fetches"},
		{"POST", v, `{"keys":1}`, 400, "~must be an array"},
		{"POST", v, `{"queries":[]}`, 400, "~no longer supported"},
		{"GET", v + "?reduce=false&group_level=1", "", 400, "~Invalid use of grouping"},
		{"GET", "/db/_design/d/_view/links?reduce=true", "", 400, "~Reduce is invalid"},
		{"GET", "/db/_design/d/_view/none", "", 404, `{"error":"not_found","reason":"missing_named_view"}`},
		{"GET", "/db/_design/none/_view/v", "", 404, `{"error":"not_found","reason":"missing"}`},
		{"DELETE", v, "", 405, "~Only GET,POST,HEAD allowed"},
		{"GET", v + "/queries", "", 405, "~Only POST allowed"},
		{"GET", "/db/_design/d/_info", "", 200, `~^{"name":"d","view_index":{"signature":"\w+","language":"javascript",.*"update_seq":7,.*"collator_versions":\["\d+\.\d+\.\d+"\]`},
		{"POST", "/db/_compact/d", "{}", 202, `{"ok":true}`},
		{"POST", "/db/_view_cleanup", "", 202, `{"ok":true}`},
	})
	if w := call(s, "GET", v, ""); w.Code != 401 {
		t.Errorf("without credentials: %d %s", w.Code, w.Body)
	}
}

// The document that comes with a row is the one that its value names. Documents of many rows
// come from several snapshots.
func TestViewWithDocuments(t *testing.T) {
	t.Parallel()
	const n = 5000
	s := viewServer(t, n)
	var answer struct {
		Rows []struct {
			ID    string
			Value json.RawMessage
			Doc   *struct {
				ID string `json:"_id"`
				V  int
			}
		}
	}
	get := func(path string) {
		t.Helper()
		answer.Rows = nil
		w := call(s, "GET", path, "", "Admin", "")
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
			t.Fatalf("%d, %v", w.Code, err)
		}
	}
	get("/db/_design/d/_view/v?reduce=false&include_docs=true")
	if len(answer.Rows) != n {
		t.Fatalf("%d rows", len(answer.Rows))
	}
	for i, row := range answer.Rows {
		if row.Doc == nil || row.Doc.V != i || row.Doc.ID != row.ID {
			t.Fatalf("row %d: %+v", i, row)
		}
	}
	get("/db/_design/d/_view/links?include_docs=true&limit=10")
	for i, row := range answer.Rows {
		linked := i < 9 // the tenth names d00010
		if linked != (row.Doc != nil) || linked && row.Doc.V != i+1 {
			t.Errorf("row %d: %+v", i, row.Doc)
		}
	}
}

// An entity tag is good until the rows change. If the answer has more than rows, it is good until
// anything changes.
func TestViewETag(t *testing.T) {
	t.Parallel()
	s := viewServer(t, 6)
	const rows, docs = "/db/_design/d/_view/v?reduce=false", "/db/_design/d/_view/v?reduce=false&include_docs=true"
	tag := func(path string) string {
		t.Helper()
		etag := call(s, "GET", path, "", "Admin", "").Header().Get("Etag")
		if etag == "" {
			t.Fatalf("%s has no entity tag", path)
		}
		return etag
	}
	ofRows, ofDocs := tag(rows), tag(docs)
	status := func(path, etag string) int {
		return call(s, "GET", path, "", "Admin", "", "If-None-Match", etag).Code
	}
	if got := status(rows, ofRows); got != http.StatusNotModified {
		t.Errorf("the same rows: %d", got)
	}
	if w := call(s, "PUT", "/db/other", "{}", "Admin", ""); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := status(rows, ofRows); got != http.StatusNotModified {
		t.Errorf("after a write that changed no row: %d", got)
	}
	if got := status(docs, ofDocs); got != http.StatusOK {
		t.Errorf("with documents, after a write: %d", got)
	}
	if w := call(s, "PUT", "/db/another", `{"k":1}`, "Admin", ""); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := status(rows, ofRows); got != http.StatusOK {
		t.Errorf("after a new row: %d", got)
	}
}

// The documents of an answer may be newer than its rows. Who has an answer is not told that nothing has
// changed when a document has, though the index does not know it yet.
func TestViewETagOfDocumentsAheadOfRows(t *testing.T) {
	t.Parallel()
	s := viewServer(t, 6)
	const path = "/db/_design/d/_view/v?reduce=false&include_docs=true&update=false&key=0"
	if w := call(s, "GET", "/db/_design/d/_view/v", "", "Admin", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for i := range 3 {
		before := call(s, "GET", path, "", "Admin", "")
		rev := strings.Trim(call(s, "HEAD", "/db/d0000", "", "Admin", "").Header().Get("Etag"), `"`)
		if w := call(s, "PUT", "/db/d0000?rev="+rev, fmt.Sprintf(`{"k":0,"v":0,"text":"new %d"}`, i), "Admin", ""); w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		after := call(s, "GET", path, "", "Admin", "", "If-None-Match", before.Header().Get("Etag"))
		if after.Code != 200 || !strings.Contains(after.Body.String(), fmt.Sprintf("new %d", i)) {
			t.Errorf("after change %d: %d %s", i, after.Code, after.Body)
		}
	}
}

// A clean-up removes an index that no design document needs any more, and keeps the others.
func TestViewCleanup(t *testing.T) {
	t.Parallel()
	s := viewServer(t, 2)
	call(s, "GET", "/db/_design/d/_view/v", "", "Admin", "")
	db, err := storetest.OpenDB(t.Context(), s.Store, "db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Release()
	indexes := func() int {
		t.Helper()
		names, err := db.Subs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	runDocSteps(t, s, []docStep{{"POST", "/db/_view_cleanup", "", 202, `{"ok":true}`}})
	if n := indexes(); n != 1 {
		t.Fatalf("%d indexes", n)
	}
	w := call(s, "GET", "/db/_design/d", "", "Admin", "")
	rev := strings.Trim(w.Header().Get("Etag"), `"`)
	runDocSteps(t, s, []docStep{
		{"DELETE", "/db/_design/d?rev=" + rev, "", 200, "~ok"},
		{"POST", "/db/_view_cleanup", "", 202, `{"ok":true}`},
	})
	if n := indexes(); n != 0 {
		t.Errorf("%d indexes are left", n)
	}
}
