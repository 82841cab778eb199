package store_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// benchStore opens a database that syncs its writes, as in real use.
func benchStore(b *testing.B) *store.DB {
	return storetest.DB(b, storetest.On(b, storetest.SyncedEngine(b), store.Options{}), "bench")
}

// benchDoc is a record of some 400 bytes with an id scattered like a uuid.
func benchDoc(i int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 42))
	var text strings.Builder
	for text.Len() < 200 {
		fmt.Fprintf(&text, "%x ", r.Uint32())
	}
	return fmt.Appendf(nil, `{"_id":"doc-%08x","owner":"user%04d","type":"todo","n":%d,"score":%f,"done":%v,"city":"Oslo","tags":["a","b"],"created":"2024-01-02T03:04:05Z","text":%q}`,
		uint32(i)*2654435761, i%1000, i, r.Float64(), i%3 == 0, text.String())
}

const benchBatch = 1000

// BenchmarkBulk writes batches of 1,000 documents: parsing, storing, and for comparison bbolt
// doing the same puts and nothing else.
func BenchmarkBulk(b *testing.B) {
	batch := func(n int) []byte {
		out := []byte(`{"docs":[`)
		for i := range benchBatch {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, benchDoc(n*benchBatch+i)...)
		}
		return append(out, `]}`...)
	}
	write := func(b *testing.B, db *store.DB) {
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			body := batch(n)
			n++
			b.StartTimer()
			bulk, err := document.ParseBulk(body, document.Options{})
			if err != nil {
				b.Fatal(err)
			}
			edits := make([]store.Edit, len(bulk.Docs))
			for i := range bulk.Docs {
				edits[i].Doc = bulk.Docs[i]
			}
			if _, err := db.Write(b.Context(), edits, store.WriteOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "docs/s")
	}
	b.Run("store", func(b *testing.B) { write(b, benchStore(b)) })
	// The cost of possible validation when no design document validates.
	b.Run("nothing validates", func(b *testing.B) {
		write(b, benchStore(b).Guarded(&store.Guard{Validator: func(context.Context, store.Bare, uint64) (store.Validate, error) { return nil, nil }}))
	})
	b.Run("bbolt", func(b *testing.B) {
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "floor"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		n := 0
		for b.Loop() {
			err := db.Update(func(tx *bbolt.Tx) error {
				var buckets [3]*bbolt.Bucket
				for i := range buckets {
					var err error
					if buckets[i], err = tx.CreateBucketIfNotExists([]byte{byte(i + 1)}); err != nil {
						return err
					}
					if i > 0 {
						buckets[i].FillPercent = 1
					}
				}
				for i := range benchBatch {
					seq := binary.BigEndian.AppendUint64(nil, uint64(n*benchBatch+i))
					id := fmt.Appendf(nil, "doc-%08x", uint32(n*benchBatch+i)*2654435761)
					record, entry, body := make([]byte, 56), make([]byte, 56), make([]byte, 400)
					if err := buckets[0].Put(id, record); err != nil {
						return err
					}
					if err := buckets[1].Put(seq, entry); err != nil {
						return err
					}
					if err := buckets[2].Put(append(seq, 0, 0, 0, 0), body); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "docs/s")
	})
}

// BenchmarkPut16 writes single documents from 16 goroutines at once.
func BenchmarkPut16(b *testing.B) {
	db := benchStore(b)
	var wg sync.WaitGroup
	next := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range next {
				doc, err := document.Parse(benchDoc(i), document.Options{})
				if err != nil {
					b.Error(err)
				}
				if _, err := db.Write(b.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	n := 0
	for b.Loop() {
		next <- n
		n++
	}
	close(next)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// BenchmarkRead reads from 100,000 documents.
func BenchmarkRead(b *testing.B) {
	db := benchStore(b)
	const docs = 100_000
	for i := 0; i < docs; i += benchBatch {
		edits := make([]store.Edit, benchBatch)
		for k := range edits {
			doc, err := document.Parse(benchDoc(i+k), document.Options{})
			if err != nil {
				b.Fatal(err)
			}
			edits[k].Doc = doc
		}
		if _, err := db.Write(b.Context(), edits, store.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	flush := func() error { return nil }
	var buf []byte
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		i := uint32(0)
		for b.Loop() {
			i++
			d, err := db.Get(b.Context(), fmt.Sprintf("doc-%08x", i%docs*2654435761), store.ReadOptions{})
			if err != nil {
				b.Fatal(err)
			}
			buf = d.AppendJSON(buf[:0], store.JSONOptions{})
		}
	})
	rows := func(b *testing.B) { b.ReportMetric(float64(b.N*docs)/b.Elapsed().Seconds(), "rows/s") }
	for _, include := range []bool{false, true} {
		b.Run(fmt.Sprintf("changes/docs=%v", include), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := db.Changes(b.Context(), store.ChangesQuery{Limit: -1, IncludeDocs: include}, func(c *store.Change) error {
					if c.Doc != nil {
						buf = c.Doc.AppendJSON(buf[:0], store.JSONOptions{})
					}
					return nil
				}, flush)
				if err != nil {
					b.Fatal(err)
				}
			}
			rows(b)
		})
		b.Run(fmt.Sprintf("alldocs/docs=%v", include), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				err := db.AllDocs(b.Context(), store.AllDocsQuery{Limit: -1, IncludeDocs: include}, func(store.Page) error { return nil }, func(r *store.Row) error {
					if r.Doc != nil {
						buf = r.Doc.AppendJSON(buf[:0], store.JSONOptions{})
					}
					return nil
				}, flush)
				if err != nil {
					b.Fatal(err)
				}
			}
			rows(b)
		})
	}
}

// BenchmarkPut writes single documents one after another, without waiting for a disk.
func BenchmarkPut(b *testing.B) {
	db := storetest.DB(b, storetest.Open(b, store.Options{}), "bench")
	for _, kind := range []string{"new", "local"} {
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				src := benchDoc(n)
				doc, err := document.Parse(src, document.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if kind == "local" {
					doc.ID = "_local/" + doc.ID
				}
				if _, err := db.Put(b.Context(), store.Edit{Doc: doc}, store.WriteOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
