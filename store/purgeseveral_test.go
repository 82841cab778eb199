package store_test

import (
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/storetest"
)

// A purge of several documents counts all of them, whichever of them stay with other leaves.
func TestPurgeOfSeveralDocumentsIsCounted(t *testing.T) {
	db := storetest.DB(t, storetest.On(t, storetest.Engine(t), store.Options{}), "db")
	var fork []revtree.Rev
	for _, id := range []string{"a", "b"} {
		fork = append(fork, revtree.Rev{Gen: 1, ID: id + "0"})
		doc := document.Doc{ID: "forked", Path: []revtree.Rev{{Gen: 1, ID: id + "0"}}, Body: []byte("{}")}
		if r, err := db.Put(t.Context(), store.Edit{Doc: doc}, store.WriteOptions{Replicated: true}); err != nil {
			t.Fatal(r, err)
		}
	}
	rev, err := write(t, db, revtree.Rev{}, `{"_id":"whole"}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Purge(t.Context(), []string{"forked", "whole"}, [][]revtree.Rev{{fork[0]}, {rev}}); err != nil {
		t.Fatal(err)
	}
	info, err := db.Info(t.Context())
	if err != nil || info.DocCount != 1 {
		t.Errorf("there are %d documents, want 1: %v", info.DocCount, err)
	}
	checkIsClean(t, db)
}

// So is a document that goes in the transaction in which another one is written.
func TestRemovalBesideAWriteIsCounted(t *testing.T) {
	db := storetest.Bare(t, storetest.On(t, storetest.Engine(t), store.Options{}), "db")
	put := func(docs ...store.Latest) {
		t.Helper()
		if err := db.PutLatest(t.Context(), docs, nil); err != nil {
			t.Fatal(err)
		}
	}
	body, second := []byte("{}"), uint64(2)
	put(store.Latest{ID: "a", Body: body}, store.Latest{ID: "b", Body: body})
	put(store.Latest{ID: "a", Body: body}, store.Latest{ID: "b", Gone: true, If: &second})
	info, err := db.Info(t.Context())
	if err != nil || info.DocCount != 1 {
		t.Errorf("there are %d documents, want 1: %v", info.DocCount, err)
	}
	checkIsClean(t, db.Unguarded())
}
