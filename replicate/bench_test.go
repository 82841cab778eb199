package replicate

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// BenchmarkLocal replicates between two databases of one server: small documents, some
// that are compressed, and some with an attachment.
func BenchmarkLocal(b *testing.B) {
	for _, c := range []struct {
		name  string
		docs  int
		words int
		bytes int
	}{{"small", 2000, 10, 0}, {"large", 500, 500, 0}, {"attached", 200, 10, 20 << 10}} {
		b.Run(c.name, func(b *testing.B) {
			s := storetest.Open(b, store.Options{})
			source := localPeerOf(s, "source")
			if err := source.Create(b.Context()); err != nil {
				b.Fatal(err)
			}
			db, err := Everything(s)(b.Context(), "source", User{})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Release()
			edits := make([]store.Edit, c.docs)
			for i := range edits {
				doc, err := document.Parse(fmt.Appendf(nil, `{"_id":"doc-%06d","n":%d,"tags":["a","b"],"text":"%s"}`, i, i, strings.Repeat("buy milk and call mother ", c.words)), document.Options{})
				if err != nil {
					b.Fatal(err)
				}
				edits[i].Doc = doc
				if c.bytes > 0 {
					content := io.MultiReader(strings.NewReader(fmt.Sprint(i)), bytes.NewReader(make([]byte, c.bytes)))
					staged, err := db.StageAttachment(b.Context(), content, store.StageOptions{})
					if err != nil {
						b.Fatal(err)
					}
					edits[i].Attachments = []store.EditAttachment{{Name: "f", Type: "a/b", Staged: &staged}}
				}
			}
			if _, err := db.Write(b.Context(), edits, store.WriteOptions{}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				b.StopTimer()
				target := localPeerOf(s, fmt.Sprintf("target%d", n))
				n++
				if err := target.Create(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				result, err := NewJob(Spec{Workers: 4, BatchSize: 500}, JobOptions{Source: source, Target: target}).Run(b.Context())
				if _, written, refused := result.Counts(); err != nil || written != int64(c.docs) || refused > 0 {
					b.Fatalf("%d written, %d refused, %v", written, refused, err)
				}
			}
			b.ReportMetric(float64(b.N*c.docs)/b.Elapsed().Seconds(), "docs/s")
		})
	}
}
