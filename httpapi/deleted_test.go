package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// If a database is deleted during a request, the answer to any request is that it does not exist,
// and never a failure of the server.
func TestDeletedWhileItIsAsked(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	var docs strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&docs, `,{"_id":"%04d","n":%d}`, i, i)
	}
	bulk := `{"docs":[` + docs.String()[1:] + `]}`
	questions := []struct{ method, path, body string }{
		{"GET", "", ""}, {"GET", "/0001", ""}, {"PUT", "/new", "{}"}, {"GET", "/_all_docs?include_docs=true", ""},
		{"GET", "/_changes?include_docs=true&limit=5", ""}, {"GET", "/_changes?feed=longpoll&since=now&timeout=20000", ""},
		{"GET", "/_design/d/_view/v", ""}, {"GET", "/_design/d/_view/w?reduce=true", ""}, {"GET", "/_design/d/_info", ""},
		{"POST", "/_find", `{"selector":{"n":{"$gt":1990}}}`}, {"POST", "/_index", `{"index":{"fields":["n"]}}`},
		{"GET", "/_index", ""}, {"POST", "/_bulk_docs", bulk}, {"POST", "/_bulk_get", `{"docs":[{"id":"0001"}]}`},
		{"POST", "/_revs_diff", `{"0001":["1-a"]}`}, {"PUT", "/att/a", strings.Repeat("x", 100_000)}, {"POST", "/_compact", "{}"},
		{"POST", "/_view_cleanup", "{}"}, {"GET", "/_security", ""}, {"POST", "/_purge", `{"0001":["1-a"]}`}, {"GET", "/_changes?filter=d/f", ""},
	}
	for round := range 12 {
		ok(t, call(s, "PUT", "/db", "", "Admin", ""))
		ok(t, call(s, "POST", "/db/_bulk_docs", bulk, "Admin", ""))
		ok(t, call(s, "PUT", "/db/_design/d", `{"views":{"v":{"map":"function(d){emit(d.n,1)}"},"w":{"map":"function(d){emit(d.n,1)}","reduce":"_sum"}},"filters":{"f":"function(d){return true}"}}`, "Admin", ""))
		var begun, asked sync.WaitGroup
		begun.Add(len(questions))
		for _, q := range questions {
			asked.Go(func() {
				defer func() {
					// An answer that has begun is cut off.
					if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
						panic(p)
					}
				}()
				begun.Done()
				for range 1 + round%3 {
					w := call(s, q.method, "/db"+q.path, q.body, "Admin", "")
					if w.Code >= 500 || strings.Contains(w.Body.String(), "context canceled") {
						t.Errorf("%s %s: %d %s", q.method, q.path, w.Code, w.Body)
					}
				}
			})
		}
		begun.Wait()
		if round%2 == 1 {
			call(s, "GET", "/db/_design/d/_info", "", "Admin", "")
		}
		ok(t, call(s, "DELETE", "/db", "", "Admin", ""))
		asked.Wait()
	}
}

func ok(t *testing.T, w interface {
	Result() *http.Response
}) {
	t.Helper()
	if r := w.Result(); r.StatusCode/100 != 2 {
		t.Fatalf("%s", r.Status)
	}
}
