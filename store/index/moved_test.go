package index_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/index"
)

// A document moves in the feed while the index is brought up to date. The index has it once, in its
// present state. Readers never find it missing, or as it was long before.
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

// beforeMapper does something before a document is mapped, for the first time only.
type beforeMapper struct {
	index.Mapper
	do map[string]func()
	mu *sync.Mutex
}

func (m beforeMapper) Map(ctx context.Context, d *store.Document, emit func(view int, key, value []byte) error) error {
	m.mu.Lock()
	do := m.do[d.ID]
	delete(m.do, d.ID)
	m.mu.Unlock()
	if do != nil {
		do()
	}
	return m.Mapper.Map(ctx, d, emit)
}

// before makes a definition whose mappers do things before they map certain documents.
func before(def *index.Definition, do map[string]func()) *index.Definition {
	fresh, mu := def.NewMapper, &sync.Mutex{}
	def.NewMapper = func() (index.Mapper, error) {
		m, err := fresh()
		return beforeMapper{m, do, mu}, err
	}
	return def
}

// The same if the index is updated in several pages or batches, and the document moves each time
// before it is read.
func TestDocumentsThatMoveAreNotMissedByPages(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 150_000) // two of them are a page
	for name, c := range map[string]struct {
		batch int
		pad   string
	}{"pages": {20_000, large}, "batches": {2, ""}} {
		t.Run(name, func(t *testing.T) {
			w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
			w.m.SetBatches(c.batch, 1<<20)
			db := w.create(t, "db")
			defer db.Release()
			write := func(id string, key int) {
				doc := document.Doc{ID: id, Body: fmt.Appendf(nil, `{"k":[%d],"v":1,"pad":%q}`, key, c.pad)}
				if d, err := db.Get(t.Context(), id, store.ReadOptions{NoBody: true}); err == nil {
					doc.Rev, doc.HasRev = d.Rev, true
				}
				if res, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != nil || res[0].Err != nil {
					t.Error(err, res)
				}
			}
			do := map[string]func(){}
			def := before(keysDefinition(), do)
			write("a", 1)
			w.open(t, db, def).Release()
			for _, id := range []string{"b1", "b2", "b3", "a"} {
				write(id, 2)
			}
			do["b1"] = func() { // a is still to be read
				for _, id := range []string{"c1", "c2", "c3", "a"} {
					write(id, 3)
				}
			}
			do["c1"] = func() { write("d", 4); write("a", 4) }
			ix := w.open(t, db, def)
			defer ix.Release()
			got := map[string]string{}
			err := ix.Rows(t.Context(), index.RowsQuery{Ranges: []index.Range{{}}, Limit: -1}, index.RowsTo{
				Row: func(r *index.Row) error { got[string(r.ID)] = string(r.Key); return nil },
			})
			if err != nil || got["a"] < "3" || got["b3"] != "2" {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// After waiting, readers see a purge that came while the index was brought up to date.
func TestPurgesMeanwhileAreNotMissed(t *testing.T) {
	t.Parallel()
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	db := w.create(t, "db")
	defer db.Release()
	for _, id := range []string{"a", "b", "c", "d"} {
		put(t, db, id, `{"k":[1],"v":1}`)
	}
	do := map[string]func(){}
	def := before(keysDefinition(), do)
	for i, gone := range []string{"a", "b"} { // the first build, and a later one
		last := fmt.Sprint("more", i)
		put(t, db, last, `{"k":[1],"v":1}`)
		do[last] = func() { // the builder has already looked for purges
			d, err := db.Get(t.Context(), gone, store.ReadOptions{})
			if err == nil {
				_, _, err = db.Purge(t.Context(), []string{gone}, [][]revtree.Rev{{d.Rev}})
			}
			if err != nil {
				t.Error(err)
			}
		}
		ix := w.open(t, db, def)
		seq, err := db.UpdateSeq(t.Context())
		if err == nil {
			err = ix.Wait(t.Context(), seq)
		}
		if n := count(t, ix); err != nil || n != 4 {
			t.Errorf("%d rows when %q is purged, %v", n, gone, err)
		}
		ix.Release()
	}
}

// After waiting, nobody is told of deletions whose tombstones have ended while the index was
// brought up to date.
func TestTombstonesThatEndMeanwhileAreLetGo(t *testing.T) {
	t.Parallel()
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	db := w.create(t, "db")
	defer db.Release()
	def, expire := keysDefinition(), false
	fresh := def.Views[0].NewReducer
	def.Views[0].NewReducer = func(ctx context.Context) (index.Reducer, error) {
		if expire { // the builder has already asked which tombstones have ended
			w.expire(t, db)
		}
		return fresh(ctx)
	}
	changes := func() []uint64 {
		ix := w.open(t, db, def)
		defer ix.Release()
		seqs, _, err := ix.Changes(t.Context(), index.ChangesQuery{To: 1 << 40, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return seqs
	}
	put(t, db, "a", `{"k":[1],"v":1}`)
	changes()
	d, err := db.Get(t.Context(), "a", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tombstone := store.Edit{Doc: document.Doc{ID: "a", Rev: d.Rev, HasRev: true, Deleted: true, Body: []byte("{}")}}
	if res, err := db.Write(t.Context(), []store.Edit{tombstone}, store.WriteOptions{}); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	if got := changes(); len(got) != 1 {
		t.Fatalf("the deletion is the only change: %v", got)
	}
	put(t, db, "b", `{"k":[1],"v":1}`)
	expire = true
	changes()
	expire = false
	if got := changes(); len(got) != 1 || got[0] != 3 {
		t.Errorf("changes %v, want only that of the document that is there", got)
	}
}
