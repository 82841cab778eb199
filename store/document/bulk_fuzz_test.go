package document

import (
	"bytes"
	"io"
	"reflect"
	"testing"
)

// Read at once or in parts, a _bulk_docs request says the same, and what is in memory of it is
// what its Meter has measured.
func FuzzBulkInParts(f *testing.F) {
	f.Add([]byte(`{"docs":[{"_id":"a","v":[1,2.5,"x"]},{"_attachments":{"f":{"data":"aGk="}}}],"new_edits":false}`))
	f.Add([]byte(`{"docs":[{}],"docs":[{"_rev":"1-a"},{}]}`))
	f.Add([]byte(`{"docs":[]}}}}`))
	f.Add([]byte("{\"docs\" : [ { } , {\"a\\\"\":\"\\\\\"} ] }"))
	f.Fuzz(func(t *testing.T, src []byte) {
		opt := Options{MaxSize: 1000}
		meter := NewBulkMeter(Options{})
		for i := range src {
			if err := meter.Add(src[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		want, wantErr := ParseBulk(src, opt)
		count := 0
		got, docs, err := ScanBulk(src, opt, func(*Bulk, *Doc) error { count++; return nil })
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%q: %v, want %v", src, err, wantErr)
		}
		if err != nil {
			return
		}
		if got.Replicated != want.Replicated || got.Atomic != want.Atomic || docs.Count != len(want.Docs) || count < docs.Count {
			t.Fatalf("%q: %+v of %d documents, want %+v", src, got, docs.Count, want)
		}
		if m := meter.Measure(); m.Docs < len(want.Docs) {
			t.Errorf("%q: %+v, and there are %d documents", src, m, len(want.Docs))
		}
		var parts []Doc
		for {
			some, err := docs.Next(2, 100)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v", src, err)
			}
			parts = append(parts, some...)
		}
		for i := range want.Docs {
			a, b := parts[i], want.Docs[i]
			if a.ID != b.ID || a.Rev != b.Rev || !bytes.Equal(a.Body, b.Body) || !reflect.DeepEqual(a.Attachments, b.Attachments) || !reflect.DeepEqual(a.attErr, b.attErr) {
				t.Errorf("%q: document %d is %+v, want %+v", src, i, a, b)
			}
		}
		if len(parts) != len(want.Docs) {
			t.Errorf("%q: %d documents, want %d", src, len(parts), len(want.Docs))
		}
	})
}
