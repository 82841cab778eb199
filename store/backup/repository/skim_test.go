package repository

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// What a list says of a document is the same, whether its record was skimmed or its tree was read.
func TestSkimmedDocuments(t *testing.T) {
	db := storetest.Bare(t, storetest.Open(t, store.Options{}), "db")
	write := func(id string, deleted bool, gens ...string) {
		t.Helper()
		doc := document.Doc{ID: id, HasRev: true, Deleted: deleted, Body: []byte("{}")}
		for i, rev := range gens {
			doc.Path = append(doc.Path, revtree.Rev{Gen: uint64(len(gens) - i), ID: rev})
		}
		doc.Rev = doc.Path[0]
		done, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{Replicated: true})
		if err != nil || done[0].Err != nil {
			t.Fatal(err, done[0].Err)
		}
	}
	hash := func(i int) string { return fmt.Sprintf("%032x", i*2654435761) }
	write("new", false, hash(1))
	write("edited", false, hash(3), hash(2), hash(1))
	write("deleted", true, hash(2), hash(1))
	write("short", false, "b", "a")
	write("forked", false, hash(2), hash(1))
	write("forked", false, hash(3), hash(1))
	write("forked, and one is deleted", false, hash(2), hash(1))
	write("forked, and one is deleted", true, hash(4), hash(3), hash(1))
	var b bytes.Buffer
	if _, err := backup.Capture(t.Context(), db, &b, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	in := backup.NewReader(&b)
	quick := 0
	for at := uint64(0); ; at++ {
		item, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		d, s, ok := skimmed(item)
		if item.Kind != backup.KindDocument {
			continue
		}
		if !ok {
			if !strings.HasPrefix(string(d.ID), "forked") {
				t.Errorf("%s has one leaf, and is not skimmed", d.ID)
			}
			continue
		}
		quick++
		c, _, err := captureOf(item, at)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := appendSkimmed(nil, &s), c.appendTo(nil); !bytes.Equal(got, want) || s.Deleted != c.Deleted || d.Seq != c.seq {
			t.Errorf("%s is skimmed as %x, its tree says %x", d.ID, got, want)
		}
	}
	if quick != 4 {
		t.Errorf("%d documents were skimmed", quick)
	}
}
