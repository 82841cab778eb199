package functions_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/functions"
	"github.com/tododb/tododb/store/script"
)

func openDB(t *testing.T) store.Bare {
	t.Helper()
	ctx := context.Background()
	eng, err := bolt.Open(t.TempDir(), bolt.Options{AppendOnly: store.AppendOnly, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(ctx, eng, store.Options{})
	if err == nil {
		err = s.Create(ctx, "db")
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := s.Bare(ctx, "db", "a test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Release()
		for _, close := range []func() error{s.Close, eng.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	})
	return db
}

func write(t *testing.T, db store.Bare, rev revtree.Rev, format string, args ...any) revtree.Rev {
	t.Helper()
	doc, err := document.Parse(fmt.Appendf(nil, format, args...), document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc.Rev, doc.HasRev = rev, !rev.IsZero()
	results, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{})
	if err == nil {
		err = results[0].Err
	}
	if err != nil {
		t.Fatal(err)
	}
	return results[0].Rev
}

// What is kept is as the design documents are now, and what has not changed is not
// compiled again.
func TestFunctionsFollowTheirDesignDocuments(t *testing.T) {
	db := openDB(t)
	c := functions.New(script.InProcess(script.Options{}))
	now := func() *functions.Set {
		t.Helper()
		set, err := c.Now(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	refused := func() bool { return now().Validate(t.Context(), []byte(`{"_id":"a"}`), nil, nil, nil) != nil }
	if now().Validates() {
		t.Error("an empty database validates")
	}
	rev := write(t, db, revtree.Rev{}, `{"_id":"_design/v","validate_doc_update":"function(){throw {forbidden:'no'}}"}`)
	write(t, db, revtree.Rev{}, `{"_id":"_design/other","shows":{}}`)
	write(t, db, revtree.Rev{}, `{"_id":"_design/foreign","language":"erlang","validate_doc_update":"fun(_) -> ok end."}`)
	if !now().Validates() || !refused() {
		t.Error("the function is not asked")
	}
	before := now()
	write(t, db, revtree.Rev{}, `{"_id":"plain"}`)
	if now() != before {
		t.Error("a plain document makes the functions be read again")
	}
	rev = write(t, db, rev, `{"_id":"_design/v","validate_doc_update":"function(){}"}`)
	if refused() {
		t.Error("the old function is asked")
	}
	was, _ := before.Get("other")
	if is, ok := now().Get("other"); !ok || is.Document != was.Document {
		t.Error("what has not changed is made anew")
	}
	write(t, db, rev, `{"_id":"_design/v","_deleted":true}`)
	if now().Validates() {
		t.Error("a function of a deleted design document is asked")
	}
	rev = write(t, db, revtree.Rev{}, `{"_id":"_design/v","validate_doc_update":"function(){throw 'x'}"}`)
	if !refused() {
		t.Error("a design document that is back is not heeded")
	}
	if _, _, err := db.Purge(t.Context(), []string{"_design/v"}, [][]revtree.Rev{{rev}}); err != nil {
		t.Fatal(err)
	}
	if _, ok := now().Get("v"); ok {
		t.Error("a design document that was purged is there")
	}
}
