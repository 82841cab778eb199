package store_test

import (
	"errors"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// Whether an edit may name an unknown parent depends on the documents in the database.
func TestUnknownParents(t *testing.T) {
	t.Parallel()
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	asked := 0
	validates := db.Guarded(judged(func(uint64, *store.Document, *store.Document) error { asked++; return nil }))
	write := func(db *store.DB, want string, opt store.WriteOptions, docs ...string) {
		t.Helper()
		edits := editsOf(t, docs...)
		res, err := db.Write(t.Context(), edits, opt)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range res {
			switch {
			case errors.Is(r.Err, store.ErrConflict):
				got += "-"
			case r.Err != nil:
				t.Errorf("%v", r.Err)
			default:
				got += string('0' + rune(r.Rev.Gen))
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", docs, got, want)
		}
	}
	each := store.WriteOptions{}
	const unknown = `{"_id":"a","_rev":"3-x"}`
	write(db, "-", each, unknown)
	write(db, "-1", each, unknown, `{"_id":"0"}`) // though 0 is written first
	write(db, "--", store.WriteOptions{Atomic: true}, `{"_id":"_design/a","_rev":"1-x"}`, unknown)
	write(validates, "-", each, unknown)
	if asked > 0 {
		t.Error("a validation function was asked about a conflict")
	}
	write(db, "1-", each, `{"_id":"_design/d"}`, unknown)
	write(db, "-", each, unknown)
	write(db, "3", store.WriteOptions{Replicated: true}, `{"_id":"r","_rev":"3-x"}`)
	write(db, "4", each, unknown)
	if d, err := db.Get(t.Context(), "a", store.ReadOptions{Revs: true}); err != nil || len(d.Path) != 2 || d.Path[1].ID != "x" {
		t.Errorf("its history is %v, %v", d, err)
	}
	write(db, "-", each, unknown) // now 0 exists, and this is not one of its leaves
	write(db, "4-", each, `{"_id":"b","_rev":"3-x"}`, `{"_id":"b","_rev":"3-x","v":2}`)
	write(db, "4", each, `{"_id":"c","_rev":"3-x","_deleted":true}`)
}

// Attachments need their document's parent, and so do other documents of the same write.
func TestUnknownParentsBesideAttachments(t *testing.T) {
	t.Parallel()
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	if _, err := db.Write(t.Context(), editsOf(t, `{"_id":"0"}`), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, rev := range map[string]string{"new": "", "unknown": "1-x"} {
		edits := editsOf(t, `{"_id":"with `+name+`"}`, `{"_id":"beside `+name+`","_rev":"1-x"}`)
		if rev != "" {
			edits = editsOf(t, `{"_id":"with `+name+`","_rev":"1-x"}`, `{"_id":"beside `+name+`","_rev":"1-x"}`)
		}
		edits[0].Attachments = []store.EditAttachment{{Name: "f", Type: "a/b", Staged: stage(t, db, []byte("bytes"))}}
		res, err := db.Write(t.Context(), edits, store.WriteOptions{})
		if err != nil || errors.Is(res[0].Err, store.ErrConflict) != (rev != "") || !errors.Is(res[1].Err, store.ErrConflict) {
			t.Errorf("%s: %v, %v", name, res, err)
		}
	}
}
