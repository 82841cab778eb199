package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// changesOf asks for the changes of a view and shows them as ids, deleted ones with a dash.
func changesOf(t *testing.T, s http.Handler, query string) (rows, last string) {
	t.Helper()
	w := call(s, "GET", "/db/_changes?filter=_view&view=d/v&"+query, "", "Admin", "")
	var answer struct {
		Results []struct {
			ID      string
			Deleted bool
			Doc     struct{ Owner string }
		}
		Last string `json:"last_seq"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); w.Code != 200 || err != nil {
		t.Fatalf("%s: %d %s %v", query, w.Code, w.Body, err)
	}
	var ids []string
	for _, r := range answer.Results {
		if r.Deleted {
			r.ID = "-" + r.ID
		}
		ids = append(ids, r.ID+r.Doc.Owner)
	}
	return strings.Join(ids, " "), answer.Last
}

func TestChangesOfView(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	put := func(id, body string) {
		t.Helper()
		w := call(s, "GET", "/db/"+id, "", "Admin", "")
		var old struct {
			Rev string `json:"_rev"`
		}
		json.Unmarshal(w.Body.Bytes(), &old)
		if old.Rev != "" {
			body = strings.Replace(body, "{", fmt.Sprintf(`{"_rev":%q,`, old.Rev), 1)
		}
		if w := call(s, "PUT", "/db/"+id, body, "Admin", ""); w.Code >= 300 {
			t.Fatalf("%s: %d %s", id, w.Code, w.Body)
		}
	}
	put("_design/d", `{"options":{"changes":true},"views":{"v":{"map":"function(doc){ if (doc.owner) emit(doc.owner) }"}}}`)
	for i := range 6 {
		put(fmt.Sprint("doc", i), fmt.Sprintf(`{"owner":%q}`, string(rune('a'+i%3))))
	}
	put("other", `{"x":1}`)
	quoted := url.QueryEscape
	expect := func(query, want string) string {
		t.Helper()
		got, last := changesOf(t, s, query)
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		return last
	}
	since := expect(`key=`+quoted(`"a"`), "doc0 doc3")
	expect(`key=`+quoted(`"a"`)+`&since=`+since, "")
	expect(`key=`+quoted(`"a"`)+"&include_docs=true&style=all_docs", "doc0a doc3a")
	expect("", "doc0 doc1 doc2 doc3 doc4 doc5")
	expect(`keys=`+quoted(`["a","c","z"]`), "doc0 doc2 doc3 doc5")
	expect(`keys=[]`, "")
	expect(`startkey=`+quoted(`"b"`), "doc1 doc2 doc4 doc5")
	expect(`startkey=`+quoted(`"a"`)+`&endkey=`+quoted(`"b"`)+"&inclusive_end=false", "doc0 doc3")
	expect(`key=`+quoted(`"c"`)+"&descending=true", "doc5 doc2")
	expect(`key=`+quoted(`"c"`)+"&descending=true&limit=1", "doc5")
	next := expect(`key=`+quoted(`"c"`)+"&limit=1", "doc2")
	expect(`key=`+quoted(`"c"`)+"&limit=1&since="+next, "doc5")

	put("doc0", `{"owner":"b"}`)
	expect(`key=`+quoted(`"b"`)+`&since=`+since, "doc0")
	expect(`key=`+quoted(`"a"`)+`&since=`+since, "") // it has left, and nothing was deleted
	put("doc3", `{"_deleted":true}`)
	put("doc0", `{"_deleted":true}`)
	put("other", `{"_deleted":true}`)
	put("doc6", `{"owner":"a"}`)
	expect(`key=`+quoted(`"a"`)+`&since=`+since, "-doc3 -doc0 doc6")
	expect(`key=`+quoted(`"b"`)+`&since=`+since, "-doc0")
	expect(`key=`+quoted(`"c"`)+`&since=`+since, "")
	expect(`since=`+since, "-doc3 -doc0 doc6")

	for query, status := range map[string]int{"key=a": 400, `keys=1`: 400, `startkey=2&endkey=1`: 400, `keys=[1]&startkey=1`: 400} {
		if w := call(s, "GET", "/db/_changes?filter=_view&view=d/v&"+query, "", "Admin", ""); w.Code != status {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := call(s, "POST", "/db/_changes?filter=_view&view=d/v", `{"keys":["c"]}`, "Admin", ""); !strings.Contains(w.Body.String(), "doc5") || strings.Contains(w.Body.String(), "doc4") {
		t.Errorf("keys in the body: %d %s", w.Code, w.Body)
	}
	if w := call(s, "GET", "/db/_changes?filter=_view&view=d/none", "", "Admin", ""); w.Code != 404 {
		t.Errorf("a view that is not there: %d %s", w.Code, w.Body)
	}
}

// While an index is built, the client hears that the server is alive.
func TestChangesOfViewBeats(t *testing.T) {
	t.Parallel()
	s := openDBServer(t)
	var docs []string
	for i := range 40 {
		docs = append(docs, fmt.Sprintf(`{"k":%d}`, i))
	}
	docs = append(docs, `{"_id":"_design/d","options":{"changes":true},"views":{"v":{"map":"function(doc){ var t = Date.now(); while (Date.now() - t < 10); emit(doc.k) }"}}}`)
	if w := call(s, "POST", "/db/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, "Admin", ""); w.Code != 201 {
		t.Fatal(w.Body)
	}
	w := call(s, "GET", "/db/_changes?feed=longpoll&filter=_view&view=d/v&key=7&heartbeat=10", "", "Admin", "")
	if !strings.HasPrefix(w.Body.String(), "{\"results\":[\n\n\n") || !strings.Contains(w.Body.String(), `"id"`) {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}
