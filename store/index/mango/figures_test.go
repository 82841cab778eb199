package mango

import (
	"context"
	"fmt"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/storetest"
)

// small is a document as records of applications are, of some 200 bytes.
func small(i int) string {
	return fmt.Sprintf(`{"_id":"doc%07d","type":"todo","owner":"user%04d","n":%d,"score":%d.5,"done":%t,"city":"Oslo","tags":["a","b"],"created":"2024-01-02T03:04:05Z"}`,
		i, i%1000, i, i%100, i%2 == 0)
}

// filled is a database of small documents on disk.
func filled(b *testing.B, n int) (*store.DB, *Finder) {
	return filledWith(b, store.Properties{}, n, small)
}

// filledWith is a database on disk of n documents, made by their numbers.
func filledWith(b *testing.B, p store.Properties, n int, make func(i int) string) (*store.DB, *Finder) {
	s := storetest.Open(b, store.Options{})
	m := index.NewManager(b.Context(), index.Options{Store: s})
	b.Cleanup(func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := s.CreateWith(b.Context(), "db", p); err != nil {
		b.Fatal(err)
	}
	db := storetest.DB(b, s, "db")
	var edits []store.Edit
	for i := range n {
		doc, err := document.Parse([]byte(make(i)), document.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if edits = append(edits, store.Edit{Doc: doc}); len(edits) < 1000 && i < n-1 {
			continue
		}
		if _, err := db.Write(b.Context(), edits, store.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
		edits = nil
	}
	return db, NewFinder(m, designsOf(s))
}

func runQuery(b *testing.B, f *Finder, db *store.DB, query string) int {
	q, err := ParseQuery([]byte(query))
	if err != nil {
		b.Fatal(err)
	}
	p, err := f.Plan(b.Context(), db, q)
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	var buf []byte
	_, err = f.Run(context.Background(), db, p, func(d *Found) error {
		n++
		buf = d.AppendJSON(buf[:0])
		return nil
	}, func() error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	return n
}

const figureDocs = 100_000

// A two-field index is built from nothing.
func BenchmarkBuild(b *testing.B) {
	db, f := filled(b, figureDocs)
	n := 0
	for b.Loop() {
		n++
		name := fmt.Sprint("i", n)
		putIndex(b, db, name, `{"fields":["owner","n"]}`)
		if got := runQuery(b, f, db, `{"selector":{"owner":"user0001","n":{"$gte":0}},"limit":1,"use_index":"`+name+`"}`); got != 1 {
			b.Fatal(got, "documents")
		}
	}
	b.ReportMetric(float64(n*figureDocs)/b.Elapsed().Seconds(), "docs/s")
}

// All documents are looked at.
func BenchmarkScan(b *testing.B) {
	db, f := filled(b, figureDocs)
	for b.Loop() {
		if got := runQuery(b, f, db, `{"selector":{"owner":"user0001","n":{"$gte":0}},"limit":1000}`); got != 100 {
			b.Fatal(got, "documents")
		}
	}
	b.ReportMetric(float64(b.N*figureDocs)/b.Elapsed().Seconds(), "docs/s")
}

// 25 documents are found by an index, and read by their ids.
func BenchmarkFind(b *testing.B) {
	db, f := filled(b, figureDocs)
	putIndex(b, db, "i", `{"fields":["owner","n"]}`)
	const query = `{"selector":{"owner":"user0001","n":{"$gte":0}},"limit":25}`
	runQuery(b, f, db, query)
	b.Run("index", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if got := runQuery(b, f, db, query); got != 25 {
				b.Fatal(got, "documents")
			}
		}
	})
	b.Run("covering", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if got := runQuery(b, f, db, `{"selector":{"owner":"user0001","n":{"$gte":0}},"limit":25,"fields":["_id","n"]}`); got != 25 {
				b.Fatal(got, "documents")
			}
		}
	})
	b.Run("gets", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			for i := range 25 {
				found, err := db.OpenRevs(b.Context(), fmt.Sprintf("doc%07d", 1+1000*i), nil, store.ReadOptions{})
				if err != nil {
					b.Fatal(err)
				}
				buf = found[0].Doc.AppendJSON(buf[:0], store.JSONOptions{})
			}
		}
	})
}

// 200 of the documents match one of two conditions, each with an index.
func BenchmarkUnion(b *testing.B) {
	db, f := filled(b, figureDocs)
	const query = `{"selector":{"$or":[{"owner":"user0001"},{"n":{"$gte":99900}}]},"limit":1000}`
	look := func(b *testing.B) {
		for b.Loop() {
			if got := runQuery(b, f, db, query); got != 200 {
				b.Fatal(got, "documents")
			}
		}
	}
	b.Run("scan", look)
	putIndex(b, db, "owner", `{"fields":["owner"]}`)
	putIndex(b, db, "n", `{"fields":["n"]}`)
	runQuery(b, f, db, query)
	b.Run("indexes", look)
}

// A query finds a partial index that holds a thousandth of the documents.
func BenchmarkPartial(b *testing.B) {
	db, f := filled(b, figureDocs)
	putIndex(b, db, "i", `{"fields":["n"],"partial_filter_selector":{"owner":"user0001"}}`)
	const query = `{"selector":{"owner":"user0001","n":{"$gte":50000}},"limit":25}`
	runQuery(b, f, db, query)
	for b.Loop() {
		if got := runQuery(b, f, db, query); got != 25 {
			b.Fatal(got, "documents")
		}
	}
}

// 25 documents of a partition of 100 are found by an index, beside so many other partitions.
func BenchmarkPartition(b *testing.B) {
	for _, others := range []int{9, 999} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			db, f := filledWith(b, store.Properties{Partitioned: true}, 100*(others+1), func(i int) string {
				return fmt.Sprintf(`{"_id":"p%04d:%04d","g":%d,"n":%d,"city":"Oslo"}`, i/100, i%100, i%4, i)
			})
			putIndex(b, db, "i", `{"fields":["g","n"]}`)
			const query = `{"selector":{"g":1,"n":{"$gte":0}},"partition":"p0005","limit":100}`
			runQuery(b, f, db, query)
			for b.Loop() {
				if got := runQuery(b, f, db, query); got != 25 {
					b.Fatal(got, "documents")
				}
			}
		})
	}
}
