package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/storetest"
)

// trips counts what a server is asked, in round trips. It is a tracer of pgx.
type trips struct{ batches, others atomic.Int64 }

func (c *trips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	if d.Batch.QueuedQueries[0].SQL != "begin" { // other processes are told, for which nobody waits either
		c.batches.Add(1)
	}
	return ctx
}
func (c *trips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (c *trips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (c *trips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	if d.SQL != "rollback" { // for which nobody waits
		c.others.Add(1)
	}
	return ctx
}
func (c *trips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// of is how many round trips fn takes, at most after a first run, which may make connections.
func (c *trips) of(t *testing.T, fn func(i int)) int64 {
	t.Helper()
	least := int64(1 << 60)
	for i := range 5 { // what goes on in the background may come between
		before := c.batches.Load() + c.others.Load()
		fn(i)
		least = min(least, c.batches.Load()+c.others.Load()-before)
	}
	return least
}

func oneEdit(t *testing.T, id, body string) store.Edit {
	t.Helper()
	e := store.Edit{Doc: parse(t, "%s", body)}
	e.Doc.ID = id
	return e
}

// What is asked of a server behind a network takes few round trips.
func TestRoundTrips(t *testing.T) {
	count := &trips{}
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Sequence: store.Sequence, Tracer: count})
	s := storetest.On(t, e, store.Options{})
	db := storetest.DB(t, s, "db")
	const docs = 500
	var edits []store.Edit
	for i := range docs {
		edits = append(edits, oneEdit(t, fmt.Sprintf("doc%04d", i), fmt.Sprintf(`{"n":%d}`, i)))
	}
	if _, err := db.Write(t.Context(), edits, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	admit := func(ctx context.Context, o store.Opening) (*store.Guard, error) {
		_, err := o.Security(ctx)
		return &store.Guard{}, err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var revs []revtree.Rev
	flush := func() error { return nil }
	for _, c := range []struct {
		what string
		most int64
		fn   func(i int)
	}{
		{"a page of changes", 1, func(int) {
			n := 0
			_, err := db.Changes(t.Context(), store.ChangesQuery{Limit: -1}, func(*store.Change) error { n++; return nil }, flush)
			must(err)
			if n < docs {
				t.Errorf("%d changes", n)
			}
		}},
		// Bodies are the second one: the first says which, and how large they are.
		{"a page of changes with documents", 2, func(int) {
			n := 0
			_, err := db.Changes(t.Context(), store.ChangesQuery{Limit: -1, IncludeDocs: true}, func(*store.Change) error { n++; return nil }, flush)
			must(err)
			if n < docs {
				t.Errorf("%d changes", n)
			}
		}},
		{"some changes, and how many are left", 1, func(int) {
			n := 0
			end, err := db.Changes(t.Context(), store.ChangesQuery{Limit: 100}, func(*store.Change) error { n++; return nil }, flush)
			must(err)
			if n != 100 || end.Pending != docs-100 {
				t.Errorf("%d changes, %+v", n, end)
			}
		}},
		{"the check of all documents", 80, func(int) { must(db.Check(t.Context(), func(problem string) { t.Error(problem) })) }},
		{"a page of all documents with their bodies", 2, func(int) {
			must(db.AllDocs(t.Context(), store.AllDocsQuery{Limit: 200, IncludeDocs: true}, func(store.Page) error { return nil }, func(*store.Row) error { return nil }, flush))
		}},
		{"a new document", 2, func(i int) {
			_, err := db.Put(t.Context(), oneEdit(t, fmt.Sprintf("new%d", i), `{}`), store.WriteOptions{})
			must(err)
		}},
		{"many new documents", 2, func(i int) {
			var edits []store.Edit
			for j := range 300 {
				edits = append(edits, oneEdit(t, fmt.Sprintf("bulk%d-%d", i, j), `{}`))
			}
			_, err := db.Write(t.Context(), edits, store.WriteOptions{})
			must(err)
		}},
		{"opening a database and reading a document", 1, func(i int) {
			id := fmt.Sprintf("doc%04d", i)
			ctx := s.Ahead(t.Context(), id, nil)
			db, err := s.Open(ctx, "db", admit)
			must(err)
			defer db.Release()
			d, err := db.Get(ctx, id, store.ReadOptions{})
			must(err)
			if want := fmt.Sprintf(`{"n":%d}`, i); string(d.Body) != want {
				t.Errorf("%s is %s, want %s", id, d.Body, want)
			}
		}},
		{"a page of all documents", 1, func(int) {
			must(db.AllDocs(t.Context(), store.AllDocsQuery{Limit: 300}, func(store.Page) error { return nil }, func(*store.Row) error { return nil }, flush))
		}},
		{"reading documents", 1, func(i int) {
			d, err := db.Get(t.Context(), fmt.Sprintf("doc%04d", 100+i), store.ReadOptions{})
			must(err)
			revs = append(revs, d.Rev)
		}},
		{"deleting a document", 2, func(i int) {
			del := oneEdit(t, fmt.Sprintf("doc%04d", 100+i), `{"_deleted":true}`)
			del.Doc.Rev = revs[i]
			_, err := db.Put(t.Context(), del, store.WriteOptions{})
			must(err)
		}},
	} {
		if got := count.of(t, c.fn); got > c.most {
			t.Errorf("%s takes %d round trips, not %d", c.what, got, c.most)
		} else {
			t.Logf("%s: %d", c.what, got)
		}
	}
}
