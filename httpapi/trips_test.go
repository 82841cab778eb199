package httpapi_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/storetest"
)

// roundTrips counts those for which a request may wait. It is a tracer of pgx.
type roundTrips struct{ atomic.Int64 }

func (c *roundTrips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	if d.Batch.QueuedQueries[0].SQL != "begin" { // other processes are told, for which nobody waits
		c.Add(1)
	}
	return ctx
}
func (c *roundTrips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (c *roundTrips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (c *roundTrips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	if d.SQL != "rollback" && !strings.HasPrefix(d.SQL, "set ") {
		c.Add(1)
	}
	return ctx
}
func (c *roundTrips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Requests take few round trips, the first of which also looks up who asks, and far less than one where many come at
// the same time.
func TestRoundTrips(t *testing.T) {
	count := &roundTrips{}
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Sequence: store.Sequence, Tracer: count})
	s := openServer(t, Options{Store: storetest.On(t, e, store.Options{})})
	must := func(method, path, body string) {
		t.Helper()
		if w := call(s, method, path, body, "Admin", ""); w.Code >= 300 {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	must("PUT", "/_users", "")
	must("PUT", "/db", "")
	for i := range 20 {
		must("PUT", fmt.Sprintf("/db/doc%d", i), `{"n":1}`)
	}
	for _, c := range []struct {
		most               int64
		method, path, body string
	}{
		{1, "GET", "/db/doc7", ""},
		{1, "GET", "/db/missing", ""},
		{3, "PUT", "/db/new%d", `{"n":1}`},
		{3, "POST", "/db/_bulk_docs", `{"docs":[{"n":1},{"n":2}]}`},
		{2, "GET", "/db/_all_docs", ""},
		{3, "GET", "/db/_all_docs?include_docs=true", ""},
		{3, "GET", "/db/_changes", ""},
		{4, "GET", "/db/_changes?include_docs=true", ""},
	} {
		least := int64(1 << 60)
		for i := 0; i < 50 && least > c.most; i++ { // what goes on in the background may come between
			path := strings.ReplaceAll(c.path, "%d", fmt.Sprint(i))
			before := count.Load()
			if w := call(s, c.method, path, c.body, "Admin", ""); w.Code >= 300 && !strings.HasSuffix(path, "missing") {
				t.Errorf("%s %s: %d %s", c.method, path, w.Code, w.Body)
			}
			least = min(least, count.Load()-before)
		}
		if least > c.most {
			t.Errorf("%s %s takes %d round trips, not %d", c.method, c.path, least, c.most)
		}
	}
	for _, method := range []string{"GET", "PUT"} {
		const clients, each = 32, 8
		before := count.Load()
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				for j := range each {
					path, body := "/db/doc7", ""
					if method == "PUT" {
						path, body = fmt.Sprintf("/db/%d-%d", i, j), `{"n":1}`
					}
					must(method, path, body)
				}
			})
		}
		wg.Wait()
		per := float64(count.Load()-before) / (clients * each)
		if t.Logf("%s: %.2f", method, per); per > 2 { // how many meet depends on the machine; alone each takes twice that
			t.Errorf("%.2f round trips for each of many %s", per, method)
		}
	}
}
