package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
	"github.com/tododb/tododb/store/storetest"
)

// BenchmarkEngines compares the engines of a server, both waiting for the disk: PostgreSQL is on the same
// machine.
func BenchmarkEngines(b *testing.B) {
	for _, kind := range []string{"bolt", "pg"} {
		b.Run(kind, func(b *testing.B) {
			var e engine.Engine
			if kind == "bolt" {
				e = storetest.SyncedEngine(b)
			} else {
				url := pgtest.Start(b, pgtest.Options{Durable: true}).Schema(b)
				if err := pg.Init(b.Context(), url); err != nil {
					b.Fatal(err)
				}
				e = pgtest.Open(b, pg.Options{URL: url, Sequence: store.Sequence})
			}
			s := storetest.On(b, e, store.Options{})
			benchEngine(b, s)
		})
	}
}

// during runs fn in so many goroutines for some seconds, and reports how often a second it ran.
func during(b *testing.B, clients int, unit string, fn func(client, i int) (int, error)) {
	var n atomic.Int64
	for b.Loop() {
		n.Store(0)
		began := time.Now()
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				for i := 0; time.Since(began) < 3*time.Second; i++ {
					did, err := fn(c, i)
					if err != nil {
						b.Error(err)
						return
					}
					n.Add(int64(did))
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(n.Load())/time.Since(began).Seconds(), unit)
	}
}

var benchRun atomic.Int64

func benchEngine(b *testing.B, s *store.Store) {
	ctx := context.Background()
	newDoc := func(id string, i int) (store.Edit, error) {
		d, err := document.Parse(benchDoc(i), document.Options{})
		if err == nil {
			d.ID = id
		}
		return store.Edit{Doc: d}, err
	}
	put := func(db *store.DB, run int64) func(c, i int) (int, error) {
		return func(c, i int) (int, error) {
			e, err := newDoc(fmt.Sprintf("%d-%d-%d", run, c, i), i)
			if err == nil {
				_, err = db.Put(ctx, e, store.WriteOptions{})
			}
			return 1, err
		}
	}
	one := storetest.DB(b, s, "one")
	b.Run("put-64-one", func(b *testing.B) { during(b, 64, "docs/s", put(one, benchRun.Add(1))) })
	var many []*store.DB
	for i := range 64 {
		many = append(many, storetest.DB(b, s, fmt.Sprintf("many%d", i)))
	}
	b.Run("put-64-many", func(b *testing.B) {
		run := benchRun.Add(1)
		during(b, 64, "docs/s", func(c, i int) (int, error) { return put(many[c], run)(c, i) })
	})
	b.Run("bulk", func(b *testing.B) {
		run := benchRun.Add(1)
		db := storetest.DB(b, s, "bulk")
		during(b, 2, "docs/s", func(c, i int) (int, error) {
			var edits []store.Edit
			for j := range 1000 {
				e, err := newDoc(fmt.Sprintf("%d-%d-%d-%d", run, c, i, j), j)
				if err != nil {
					return 0, err
				}
				edits = append(edits, e)
			}
			_, err := db.Write(ctx, edits, store.WriteOptions{})
			return 1000, err
		})
	})
	b.Run("get-16", func(b *testing.B) {
		db := storetest.DB(b, s, "get")
		for i := range 1000 {
			e, err := newDoc(fmt.Sprint(i), i)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := db.Put(ctx, e, store.WriteOptions{}); err != nil && i == 0 {
				b.Fatal(err)
			}
		}
		during(b, 16, "gets/s", func(c, i int) (int, error) {
			id := fmt.Sprint(i % 1000)
			ctx := s.Ahead(ctx, id, nil)
			db, err := s.Open(ctx, "get", func(context.Context, store.Opening) (*store.Guard, error) { return &store.Guard{}, nil })
			if err != nil {
				return 0, err
			}
			defer db.Release()
			_, err = db.Get(ctx, id, store.ReadOptions{})
			return 1, err
		})
	})
	b.Run("changes", func(b *testing.B) {
		db := storetest.DB(b, s, "bulk")
		during(b, 1, "rows/s", func(int, int) (n int, err error) {
			_, err = db.Changes(ctx, store.ChangesQuery{Limit: -1}, func(*store.Change) error { n++; return nil }, func() error { return nil })
			return n, err
		})
	})
}
