package backup_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// benchDocs is how many documents the databases of benchmarks have.
const benchDocs = 50_000

// benchDB is a database of small documents, and the time that it took to write them in bulk.
func benchDB(b *testing.B) (store.Bare, time.Duration) {
	b.Helper()
	db := storetest.Bare(b, storetest.On(b, storetest.SyncedEngine(b), store.Options{}), "db")
	var took time.Duration
	for n := 0; n < benchDocs; n += 1000 {
		edits := make([]store.Edit, 1000)
		for i := range edits {
			doc, err := document.Parse(fmt.Appendf(nil, `{"_id":"%08x","n":%d,"text":"%0500d"}`, uint32(n+i)*2654435761, n, i), document.Options{})
			if err != nil {
				b.Fatal(err)
			}
			edits[i].Doc = doc
		}
		began := time.Now()
		if _, err := db.Write(b.Context(), edits, store.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
		took += time.Since(began)
	}
	return db, took
}

// BenchmarkCapture writes the stream of many small documents. x-raw is how many times longer that
// takes than to read as many bytes from a file.
func BenchmarkCapture(b *testing.B) {
	db, _ := benchDB(b)
	var whole bytes.Buffer
	end, err := backup.Capture(b.Context(), db, &whole, backup.Options{})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "raw")
	if err := os.WriteFile(path, whole.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		since store.Point
	}{{"whole", store.Point{}}, {"nothing new", end.Point}} {
		b.Run(c.name, func(b *testing.B) {
			var raw, took time.Duration
			for b.Loop() {
				began := time.Now()
				if _, err := backup.Capture(b.Context(), db, io.Discard, backup.Options{Since: c.since}); err != nil {
					b.Fatal(err)
				}
				took += time.Since(began)
				began = time.Now()
				f, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}); err != nil {
					b.Fatal(err)
				}
				f.Close()
				raw += time.Since(began)
			}
			if c.since.IsZero() {
				b.SetBytes(int64(whole.Len()))
				b.ReportMetric(float64(benchDocs*b.N)/took.Seconds(), "docs/s")
				b.ReportMetric(took.Seconds()/raw.Seconds(), "x-raw")
			}
		})
	}
}

// BenchmarkRestore reads it back, all of it verified. x-bulk is how many times longer that takes than
// to write the documents in bulk.
func BenchmarkRestore(b *testing.B) {
	db, bulk := benchDB(b)
	var whole bytes.Buffer
	if _, err := backup.Capture(b.Context(), db, &whole, backup.Options{}); err != nil {
		b.Fatal(err)
	}
	s := storetest.On(b, storetest.SyncedEngine(b), store.Options{})
	n := 0
	began := time.Now()
	for b.Loop() {
		n++
		if _, err := backup.Restore(b.Context(), s, fmt.Sprint("db", n), bytes.NewReader(whole.Bytes()), backup.RestoreOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began) / time.Duration(n)
	b.ReportMetric(benchDocs/took.Seconds(), "docs/s")
	b.ReportMetric(took.Seconds()/bulk.Seconds(), "x-bulk")
}
