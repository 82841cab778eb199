package httpapi_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
)

// While a database is replaced by a restored one, requests that have begun get an answer of one of
// them, or are told to try again. With a 404 a client would take the database for gone.
func TestRequestsWhileADatabaseIsReplaced(t *testing.T) {
	t.Parallel()
	s := httpapitest.OpenWithDB(t, httpapi.Options{}, `{"_id":"a","n":1},{"_id":"b","n":2}`)
	httpapitest.Wants(t, httpapitest.Call(s, "PUT", "/db/_design/d", `{"views":{"v":{"map":"function(doc){emit(doc.n)}"}}}`, "Admin", ""), 201, "")
	whole, _ := backupOf(t, s, "db", "")
	var over atomic.Bool
	var askers sync.WaitGroup
	for _, q := range [][3]string{
		{"GET", "/db/a"}, {"GET", "/db/_all_docs?include_docs=true"}, {"GET", "/db/_changes"}, {"GET", "/db"},
		{"GET", "/db/_design/d/_view/v"}, {"POST", "/db/_find", `{"selector":{"n":{"$gt":1}}}`},
		{"POST", "/db/_bulk_docs", `{"docs":[{},{}]}`}, {"POST", "/db/_revs_diff", `{"a":["1-x"]}`},
		{"GET", "/db/_snapshot"}, {"PUT", "/db/_local/l", `{}`},
	} {
		askers.Go(func() {
			for n := 0; !over.Load() || n == 0; n++ {
				if w := httpapitest.Call(s, q[0], q[1], q[2], "Admin", ""); w.Code >= 300 && w.Code != http.StatusServiceUnavailable {
					t.Errorf("%s %s: %d %s", q[0], q[1], w.Code, w.Body)
					return
				}
			}
		})
	}
	for range 30 {
		httpapitest.Wants(t, httpapitest.Call(s, "PUT", "/db/_restore?replace=true", string(whole), "Admin", ""), 201, "")
	}
	over.Store(true)
	askers.Wait()
}
