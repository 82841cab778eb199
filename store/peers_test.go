package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// Whoever may write local documents may write what looks like checkpoints, of any size. All of them are in
// memory when tombstones end, so little is kept of each.
func TestCheckpointsOfAnySize(t *testing.T) {
	t.Parallel()
	db := storetest.DB(t, storetest.Open(t, store.Options{}), "db")
	for i, place := range []string{"1-" + strings.Repeat("a", 1<<20), "1-a", strings.Repeat("1", 1<<20)} {
		write(t, db, revtree.Rev{}, `{"_id":"_local/%d","session_id":"a","history":[],"source_last_seq":%q}`, i, place)
	}
	places, err := db.Places(t.Context())
	if err != nil || !slices.Equal(places, []string{"", "1-a", ""}) {
		t.Errorf("%d checkpoints, %v", len(places), err)
	}
}
