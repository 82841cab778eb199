package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// Edits that must be written together are judged by the sizes before all of them, every time.
func TestOverflowInOneTransaction(t *testing.T) {
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			s := storetest.On(t, open(t), store.Options{MaxPartitionSize: 100})
			if err := s.CreateWith(t.Context(), "db", store.Properties{Partitioned: true}); err != nil {
				t.Fatal(err)
			}
			db, err := storetest.OpenDB(t.Context(), s, "db")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Release()
			var edits []store.Edit
			for i := range 6 {
				edits = append(edits, store.Edit{Doc: parse(t, `{"_id":"%s:%d","x":"%s"}`, []string{"a", "b"}[i%2], i, strings.Repeat("x", 60))})
			}
			results, err := db.Write(t.Context(), edits, store.WriteOptions{Atomic: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("%s: %v", r.ID, r.Err)
				}
			}
			results, err = db.Write(t.Context(), []store.Edit{{Doc: parse(t, `{"_id":"c:1"}`)}, {Doc: parse(t, `{"_id":"b:x"}`)}}, store.WriteOptions{Atomic: true})
			if err != nil {
				t.Fatal(err)
			}
			if full, ok := errors.AsType[*store.PartitionOverflow](results[1].Err); !ok || full.ID != "b:x" || !errors.Is(results[0].Err, store.ErrNotWritten) {
				t.Errorf("%+v", results)
			}
			if err := s.SetLimits(store.Options{MaxPartitionSize: 1000}); err != nil {
				t.Fatal(err)
			}
			if res, err := db.Put(t.Context(), store.Edit{Doc: parse(t, `{"_id":"b:x"}`)}, store.WriteOptions{}); err != nil || res.Err != nil {
				t.Errorf("%v, %v", err, res.Err)
			}
		})
	}
}
