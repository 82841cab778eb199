package index_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/storetest"
)

// benchMapper emits type and number of small documents, each into a view.
type benchMapper struct{}

func (benchMapper) Close() {}

func (benchMapper) Map(_ context.Context, d *store.Document, emit func(int, []byte, []byte) error) error {
	return jsonscan.EachMember(d.Body, func(name, value []byte) error {
		switch string(name) {
		case "type":
			return emit(0, value, []byte("1"))
		case "n":
			return emit(1, value, []byte("null"))
		}
		return nil
	})
}

func benchDefinition(signature string) *index.Definition {
	return &index.Definition{
		Signature: signature, NewMapper: func() (index.Mapper, error) { return benchMapper{}, nil },
		Views: []index.View{{NewReducer: func(context.Context) (index.Reducer, error) { return &sum{}, nil }}, {}},
	}
}

// benchDB makes a database of small documents of 40 types.
func benchDB(b *testing.B, docs int) (*world, *store.DB) {
	w := newWorld(b, storetest.SyncedEngine(b), index.Options{})
	db := w.create(b, "bench")
	b.Cleanup(db.Release)
	for from := 0; from < docs; from += 1000 {
		edits := make([]store.Edit, 1000)
		for i := range edits {
			n := from + i
			edits[i].Doc = document.Doc{ID: fmt.Sprintf("doc-%07d", n), Body: fmt.Appendf(nil, `{"type":"type-%02d","n":%d,"name":"user %d","tags":["a","b"]}`, n%40, n*7919%docs, n)}
		}
		if _, err := db.Write(b.Context(), edits, store.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	return w, db
}

func BenchmarkBuild(b *testing.B) {
	const docs = 100_000
	w, db := benchDB(b, docs)
	n := 0
	for b.Loop() {
		n++
		w.open(b, db, benchDefinition(strconv.Itoa(n))).Release()
	}
	b.ReportMetric(float64(docs*b.N)/b.Elapsed().Seconds(), "docs/s")
}

func BenchmarkRead(b *testing.B) {
	for _, docs := range []int{100_000, 1_000_000} {
		w, db := benchDB(b, docs)
		ix := w.open(b, db, benchDefinition("read"))
		b.Cleanup(ix.Release)
		ctx := context.Background()
		all := []index.Range{{}}
		b.Run(fmt.Sprintf("group-%d", docs), func(b *testing.B) {
			for b.Loop() {
				n := 0
				err := ix.Reduce(ctx, 0, index.ReduceQuery{Ranges: all, GroupLevel: index.Exact, Limit: -1}, index.GroupsTo{Group: func(*index.Group) error { n++; return nil }})
				if err != nil || n != 40 {
					b.Fatal(n, err)
				}
			}
		})
		b.Run(fmt.Sprintf("count-%d", docs), func(b *testing.B) {
			for b.Loop() {
				if n, err := ix.Count(ctx, []index.Range{{View: 1}}); err != nil || n != docs {
					b.Fatal(n, err)
				}
			}
		})
		b.Run(fmt.Sprintf("lookup-%d", docs), func(b *testing.B) {
			for b.Loop() {
				q := index.RowsQuery{Ranges: []index.Range{{View: 1, Low: index.Bound{Key: middleKey}}}, Limit: 20, WantOffset: true}
				if err := ix.Rows(ctx, q, index.RowsTo{Head: func(index.Head) error { return nil }, Row: func(*index.Row) error { return nil }}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("scan-%d", docs), func(b *testing.B) {
			n := 0
			for b.Loop() {
				q := index.RowsQuery{Ranges: []index.Range{{View: 1}}, Limit: -1}
				if err := ix.Rows(ctx, q, index.RowsTo{Row: func(*index.Row) error { n++; return nil }}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
