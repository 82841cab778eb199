package synchronize

import (
	"errors"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine/chaos"
)

// troubled is a synchronization of a database with a document in conflict, over a storage that can be away.
func troubled(t *testing.T) (*chaos.Engine, *Synchronizer, *observation) {
	t.Helper()
	eng := chaos.New(chaos.Options{Alone: true})
	t.Cleanup(func() { eng.Close() })
	s, err := store.Open(t.Context(), eng, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	y, err := Open(t.Context(), Options{Store: s, Replicator: &stubborn{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	db, err := s.Bare(t.Context(), "db", store.ForSynchronizations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		eng.Calm()
		db.Release()
		if err := errors.Join(y.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	var edits []store.Edit
	for _, doc := range []string{`{"_id":"d","_rev":"1-a"}`, `{"_id":"d","_rev":"1-b"}`} {
		parsed, err := document.Parse([]byte(doc), document.Options{})
		if err != nil {
			t.Fatal(err)
		}
		edits = append(edits, store.Edit{Doc: parsed})
	}
	if _, err := db.Write(t.Context(), edits, store.WriteOptions{Replicated: true}); err != nil {
		t.Fatal(err)
	}
	x := newSynchronization(y, "id", revtree.Rev{}, definition{DB: "db"}, newStatus(running))
	x.runs = true
	return eng, y, &observation{x: x, direction: pull, db: db}
}

// While nobody can look whether what has arrived is in conflict, the replication does not go on: its checkpoint would
// cover documents that nobody looks at again.
func TestConflictsThatCannotBeLookedFor(t *testing.T) {
	eng, _, o := troubled(t)
	eng.Away(1)
	if err := o.wrote(t.Context(), []string{"d"}, 1); err == nil {
		t.Error("the replication goes on")
	}
	eng.Calm()
	if err := o.wrote(t.Context(), []string{"d"}, 1); err != nil {
		t.Fatal(err)
	}
	s := o.x.status
	if s.ConflictsMet != 1 || !s.Conflicts["d"] {
		t.Errorf("conflicts: %d, %v", s.ConflictsMet, s.Conflicts)
	}
	if p := s.Progress[pull]; p.DocsWritten != 1 || p.WriteFailures != 1 {
		t.Errorf("%d documents are counted as written and %d as refused", p.DocsWritten, p.WriteFailures)
	}
}

// A status that could not be saved is saved by the next try, also if nothing has happened since.
func TestStatusIsSavedByALaterTry(t *testing.T) {
	eng, y, o := troubled(t)
	o.x.note(func(s *status) { s.Conflicts["d"] = true })
	eng.Away(1)
	o.x.save(t.Context())
	eng.Calm()
	o.x.save(t.Context())
	saved, err := y.records.status(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	if !saved.Conflicts["d"] {
		t.Errorf("on disk: %+v", saved)
	}
}
