package store_test

import (
	"errors"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// Put distinguishes a refused document from a failed write, as Write does.
func TestPut(t *testing.T) {
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	made, err := db.Put(t.Context(), store.Edit{Doc: parse(t, `{"_id":"a","v":1}`)}, store.WriteOptions{})
	if err != nil || made.ID != "a" || made.Rev.Gen != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	refused, err := db.Put(t.Context(), store.Edit{Doc: parse(t, `{"_id":"a","v":2}`)}, store.WriteOptions{})
	if !errors.Is(err, store.ErrConflict) || refused.Err != err {
		t.Errorf("a conflict: %+v, %v", refused, err)
	}
	stub := store.Edit{Doc: parse(t, `{"_id":"b"}`), Attachments: []store.EditAttachment{{Name: "f"}}}
	failed, err := db.Put(t.Context(), stub, store.WriteOptions{})
	if _, is := errors.AsType[*store.MissingStub](err); !is || failed.Err != nil {
		t.Errorf("a stub for nothing: %+v, %v", failed, err)
	}
	unchanged := uint64(0)
	failed, err = db.Put(t.Context(), store.Edit{Doc: parse(t, `{"_id":"c"}`)}, store.WriteOptions{Unchanged: &unchanged})
	if _, is := errors.AsType[*store.Changed](err); !is || failed.Err != nil {
		t.Errorf("a database that has changed: %+v, %v", failed, err)
	}
	same, err := db.Put(t.Context(), store.Edit{Doc: parse(t, `{"_id":"a","_rev":%q,"v":1}`, made.Rev)}, store.WriteOptions{Replicated: true})
	if err != nil || same.Rev != made.Rev {
		t.Errorf("replicated once more: %+v, %v", same, err)
	}
}
