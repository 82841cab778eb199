package store_test

import (
	"sync/atomic"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// forgettable counts how often it is forgotten.
type forgettable struct{ forgotten atomic.Int32 }

func (f *forgettable) Forget() { f.forgotten.Add(1) }

// All handles of a database share the values kept with it. They go when the database is deleted or
// closed, and another database of the same name does not have them.
func TestKeep(t *testing.T) {
	s := storetest.Open(t, store.Options{MaxOpen: 1})
	made := 0
	keep := func(db *store.DB) *forgettable {
		return db.Keep("key", func() store.Kept { made++; return &forgettable{} }).(*forgettable)
	}
	db := storetest.DB(t, s, "db")
	kept := keep(db)
	if keep(db.Guarded(&store.Guard{})) != kept || made != 1 {
		t.Errorf("another handle has something else; %d were made", made)
	}
	if db.Keep("other", func() store.Kept { return &forgettable{} }) == store.Kept(kept) {
		t.Error("two keys share what is kept")
	}
	if err := s.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if n := kept.forgotten.Load(); n != 1 {
		t.Errorf("when the database is deleted it is forgotten %d times", n)
	}
	if late := keep(db); late == kept || late.forgotten.Load() != 1 {
		t.Error("something is kept with a database that is gone")
	}
	again := storetest.DB(t, s, "db")
	second := keep(again)
	if second == kept || second.forgotten.Load() != 0 {
		t.Error("a new database has what was kept with the old one")
	}
}

// A database that is closed to make room for others keeps nothing.
func TestKeepWhileOpen(t *testing.T) {
	s := storetest.Open(t, store.Options{MaxOpen: 1})
	for _, name := range []string{"a", "b"} {
		if err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	kept := &forgettable{}
	db, err := storetest.OpenDB(t.Context(), s, "a")
	if err != nil {
		t.Fatal(err)
	}
	db.Keep("key", func() store.Kept { return kept })
	db.Release()
	storetest.DB(t, s, "b")
	if err := s.Close(); err != nil { // waits for databases that are being closed
		t.Fatal(err)
	}
	if n := kept.forgotten.Load(); n != 1 {
		t.Errorf("it is forgotten %d times", n)
	}
}
