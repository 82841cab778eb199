package bolt_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// What is asked for may be longer than any key that there is, in a database of which all is in the journal.
func TestSearchForLongerThanAnyKey(t *testing.T) {
	e := open(t, t.TempDir(), neverFlush)
	db, err := e.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	short, later := bytes.Repeat([]byte("a"), 1000), []byte("b")
	long := append(bytes.Repeat([]byte("a"), 1<<16), 'z')
	put(t, db, string(short), "v")
	put(t, db, string(later), "w")
	err = db.View(t.Context(), func(r engine.Reader) error {
		if v, err := r.Get(space, long); v != nil || err != nil {
			t.Errorf("it has %q, %v", v, err)
		}
		for _, q := range []struct {
			rg   engine.Range
			want []byte
		}{
			{engine.Range{From: long}, later},
			{engine.Range{To: long}, short},
			{engine.Range{To: long, Reverse: true}, short},
			{engine.Range{From: long, Reverse: true}, later},
		} {
			var got [][]byte
			err := r.Scan(space, q.rg, func(k, _ []byte) (bool, error) { got = append(got, k); return true, nil })
			if err != nil || !slices.EqualFunc(got, [][]byte{q.want}, bytes.Equal) {
				t.Errorf("a range finds %d keys, %v", len(got), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
