package httpapi_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
)

// For any query of a view, or of the changes of a view, the answer is rows or a 400, and always
// JSON.
func FuzzViewQuery(f *testing.F) {
	for _, seed := range []string{
		"key=1", `keys=[1,"a",null]&skip=1&limit=2`, `startkey=[1]&endkey={}&inclusive_end=false&descending=true`, "group_level=2&reduce=true", "group=true&keys=[1]",
		"startkey_docid=d0001&startkey=1&endkey=1&endkey_docid=d0003", "stale=ok&update=lazy&stable=true", "include_docs=true&reduce=false&conflicts=true", "skip=18446744073709551616",
		"limit=-1", "key=%ff", `key="\ud800"`, "key=1e999", "update_seq=true&sorted=false", "feed=longpoll&timeout=1&since=now", "%zz", "key=" + "[[[[[[[[[[",
	} {
		f.Add(seed)
	}
	s := viewServer(f, 6)
	if w := call(s, "PUT", "/db/_design/c", `{"options":{"changes":true},"views":{"v":{"map":"function(doc){ emit(doc.k) }"}}}`, "Admin", ""); w.Code != 201 {
		f.Fatal(w.Body)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/db/_design/d/_view/v", "/db/_design/d/_view/links", "/db/_changes"} {
			r := httptest.NewRequest("GET", path, nil)
			r.URL.RawQuery = query
			if path == "/db/_changes" {
				r.URL.RawQuery += "&filter=_view&view=c/v&feed=normal"
			}
			r.SetBasicAuth("admin", "secret")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code == 200 && !json.Valid(w.Body.Bytes()) || w.Code != 200 && w.Code != 400 && w.Code != 404 {
				t.Fatalf("%s?%s: %d %s", path, query, w.Code, w.Body)
			}
		}
	})
}
