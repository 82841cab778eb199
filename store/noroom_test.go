package store_test

import (
	"strings"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// While the disk is nearly full deletions and checkpoints are written. Nobody may fill the rest of it with
// what only looks like them.
func TestLargeTombstonesTakeRoom(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Options{NoRoom: func() bool { return true }})
	db := storetest.DB(t, s, "db").Guarded(&store.Guard{})
	for _, c := range []struct {
		begin  string
		size   int
		wanted error
	}{
		{`{"_id":"a","_deleted":true,`, 1000, nil},
		{`{"_id":"_local/a",`, 20_000, nil},
		{`{"_id":"b","_deleted":true,`, 100_000, store.ErrNoRoom},
		{`{"_id":"_local/b",`, 100_000, store.ErrNoRoom},
		{`{"_id":"c",`, 1, store.ErrNoRoom},
	} {
		doc := parse(t, "%s", c.begin+`"pad":"`+strings.Repeat("x", c.size)+`"}`)
		if _, err := db.Write(t.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{}); err != c.wanted {
			t.Errorf("%s of %d bytes: %v, want %v", c.begin, c.size, err, c.wanted)
		}
	}
}
