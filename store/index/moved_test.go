package index_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index"
)

// A document that moves in the feed while the index is brought up to date is in the index once, as it
// is now: in no state that somebody reads is it missing, or where it was long before.
func TestDocumentsThatMoveAreNotMissed(t *testing.T) {
	t.Parallel()
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	db := w.create(t, "db")
	defer db.Release()
	key := 0
	edit := func() {
		key++
		doc := document.Doc{ID: "a", Body: fmt.Appendf(nil, `{"k":[%d],"v":1}`, key)}
		if key > 1 {
			d, err := db.Get(t.Context(), "a", store.ReadOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			doc.Rev, doc.HasRev = d.Rev, true
		}
		if res, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != nil || res[0].Err != nil {
			t.Error(err, res)
		}
	}
	def := keysDefinition()
	fresh := def.Views[0].NewReducer
	def.Views[0].NewReducer = func(ctx context.Context) (index.Reducer, error) {
		edit() // the builder has already decided how far to go
		return fresh(ctx)
	}
	for range 3 { // the first build, and later ones
		edit()
		ix := w.open(t, db, def)
		var got []string
		var head index.Head
		err := ix.Rows(t.Context(), index.RowsQuery{Ranges: []index.Range{{}}, Limit: -1}, index.RowsTo{
			Head: func(h index.Head) error { head = h; return nil },
			Row:  func(r *index.Row) error { got = append(got, string(r.Key)); return nil },
		})
		ix.Release()
		if seq, e := db.UpdateSeq(t.Context()); err != nil || e != nil || head.Seq != seq || fmt.Sprint(got) != fmt.Sprintf("[%d]", key) {
			t.Errorf("rows %v at %d, %v; the document has key %d since %d, %v", got, head.Seq, err, key, seq, e)
		}
	}
}
