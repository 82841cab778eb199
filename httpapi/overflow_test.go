package httpapi_test

import (
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// A full partition accepts edits that do not make its documents larger, and replicated ones.
func TestAFullPartition(t *testing.T) {
	t.Parallel()
	const limit = 3000
	st := storetest.Open(t, store.Options{MaxPartitionSize: limit})
	s := openServer(t, Options{Store: st})
	big := `{"x":"` + strings.Repeat("x", 1000) + `"}`
	wants(t, call(s, "PUT", "/db?partitioned=true", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/plain", "", "Admin", ""), 201, "")
	var revs []string
	for _, id := range []string{"a:1", "a:2", "a:3"} {
		w := call(s, "PUT", "/db/"+id, big, "Admin", "")
		wants(t, w, 201, "")
		revs = append(revs, strings.Trim(w.Header().Get("ETag"), `"`))
		wants(t, call(s, "PUT", "/plain/"+id, big, "Admin", ""), 201, "")
	}
	const full = `~"error":"partition_overflow","reason":"Partition limit exceeded due to update on 'a:4'"`
	runDocSteps(t, s, []docStep{
		{"PUT", "/db/a:4", `{}`, 403, full},
		{"POST", "/db", `{"_id":"a:4"}`, 403, full},
		{"PUT", "/db/a:4/f", "x", 403, full},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"a:4"},{"_id":"b:1"},{"_id":"a:1"}]}`, 201, `~^\[{"id":"a:4","error":"partition_overflow",.*{"ok":true,"id":"b:1",.*{"id":"a:1","error":"conflict"`},
		{"GET", "/db/a:4", "", 404, "~missing"},
		{"GET", "/db/a:3", "", 200, "~"},
		{"PUT", "/db/a:2?rev=" + revs[1], strings.Replace(big, "x", "longer", 1), 403, `~update on 'a:2'`},

		// these do not count
		{"PUT", "/db/b:2", big, 201, "~"},
		{"PUT", "/db/_design/a:4", `{}`, 201, "~"},
		{"PUT", "/db/_local/a:4", big, 201, "~"},
		{"PUT", "/plain/a:4", big, 201, "~"},
		{"PUT", "/db/a:5?new_edits=false", `{"_rev":"1-a","x":"x"}`, 201, "~"},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"a:6","_rev":"1-a","x":"x"}]}`, 201, "[]"},
		{"PUT", "/db/a:2?rev=" + revs[1], strings.Replace(big, "x", "y", 1), 201, "~"}, // as large as before

		// it has room again
		{"DELETE", "/db/a:1?rev=" + revs[0], "", 200, "~"},
		{"PUT", "/db/a:4", `{}`, 201, "~"},

		// one request may go beyond the limit, the next one may not
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"c:1","x":` + big + `},{"_id":"c:2","x":` + big + `},{"_id":"c:3","x":` + big + `},{"_id":"c:4","x":` + big + `}]}`, 201, `~"ok":true,"id":"c:4"`},
		{"PUT", "/db/c:5", `{}`, 403, "~partition_overflow"},
	})
	for _, raised := range []int64{100 * limit, 0} {
		if err := st.SetLimits(store.Options{MaxPartitionSize: raised}); err != nil {
			t.Fatal(err)
		}
		w := call(s, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"c:`+strings.Repeat("5", int(raised%7)+1)+`"}]}`, "Admin", "")
		wants(t, w, 201, "")
		if strings.Contains(w.Body.String(), "error") {
			t.Errorf("limit %d: %s", raised, w.Body)
		}
	}
}
