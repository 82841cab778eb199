package store_test

import (
	"testing"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// A compaction that somebody asked for is shown while it goes on, with what it has copied.
func TestAskedCompactions(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Options{})
	db := storetest.DB(t, s, "db")
	for i := range 200 {
		if _, err := write(t, db, revtree.Rev{}, `{"_id":"d%d"}`, i); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for seen := false; !seen; {
		if time.Now().After(deadline) {
			t.Fatal("it is never shown")
		}
		db.StartCompact()
		for db.CompactRunning() {
			for _, c := range s.AskedCompactions() {
				if c.DB != "db" || c.Index != "" || c.Total <= 0 || c.Started.IsZero() {
					t.Fatalf("%+v", c)
				}
				seen = seen || c.Copied > 0
			}
		}
	}
	if left := s.AskedCompactions(); len(left) > 0 {
		t.Errorf("it is over, and %+v is shown", left)
	}
}
