package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkViewQuery reads one row of a view. Its design document is small, or as large as an
// application's: the cost of the query must not depend on it.
func BenchmarkViewQuery(b *testing.B) {
	for name, views := range map[string]int{"small": 0, "large": 100} {
		b.Run(name, func(b *testing.B) {
			s := openDBServer(b)
			ddoc := []string{`"v":{"map":"function(doc){ emit(doc.n, 1) }"}`}
			for i := range views {
				ddoc = append(ddoc, fmt.Sprintf(`"v%d":{"map":"function(doc){ if (doc.n > %d) emit(doc.n, %q) }"}`, i, i, strings.Repeat("x", 1000)))
			}
			docs := fmt.Sprintf(`{"docs":[{"_id":"a","n":1},{"_id":"b","n":2},{"_id":"_design/d","views":{%s}}]}`, strings.Join(ddoc, ","))
			docs = strings.ReplaceAll(docs, `, "x`, `, \"x`)
			docs = strings.ReplaceAll(docs, `x")`, `x\")`)
			if w := call(s, "POST", "/db/_bulk_docs", docs, "Admin", ""); w.Code != 201 {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
			query := func() string { return call(s, "GET", "/db/_design/d/_view/v?key=1", "", "Admin", "").Body.String() }
			if got := query(); !strings.Contains(got, `{"id":"a","key":1,"value":1}`) {
				b.Fatal(got)
			}
			b.ReportAllocs()
			for b.Loop() {
				query()
			}
		})
	}
}
