package mango

import (
	"context"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/index"
)

// A read of a design document that fails is an error, never an index that is not there:
// the query would be answered without it, and without a word.
func TestReadErrorIsNoAbsence(t *testing.T) {
	look := func(fail int) (calls [2]int, found int, err error) {
		eng := chaos.New(chaos.Options{Seed: 1, FailCall: fail})
		defer eng.Close()
		s, err := store.Open(context.Background(), eng, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		m := index.NewManager(context.Background(), index.Options{Store: s})
		defer m.Close()
		w := &world{store: s, f: NewFinder(m, designsOf(s))}
		db := w.create(t)
		defer db.Release()
		putIndex(t, db, "a", `{"fields":["a"]}`)
		calls[0] = eng.Calls()
		list, err := w.f.Indexes(t.Context(), db)
		calls[1] = eng.Calls()
		return calls, len(list), err
	}
	calls, want, err := look(0)
	if err != nil || want != 2 {
		t.Fatal(want, err)
	}
	failed := 0
	for n := calls[0] + 1; n <= calls[1]; n++ {
		_, found, err := look(n)
		if err != nil {
			failed++
		} else if found != want {
			t.Errorf("call %d fails: %d indexes are found, and no error", n, found)
		}
	}
	if failed == 0 {
		t.Error("no call failed: the test shows nothing")
	}
}
