package anykey

import (
	"bytes"
	"slices"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/chaos"
)

// FuzzOrder holds that any keys come back in their order, between any bounds, and that a key
// that is removed leaves nothing.
func FuzzOrder(f *testing.F) {
	f.Add([]byte("a\nb"), []byte("a"), []byte("b"))
	f.Add(bytes.Repeat([]byte("x"), 200), []byte("x"), bytes.Repeat([]byte("x"), 40))
	f.Add(append(bytes.Repeat([]byte("x"), 39), "\nxx\nx"...), []byte(""), []byte("\xff"))
	f.Fuzz(func(t *testing.T, lines, from, to []byte) {
		if len(lines) > 3000 {
			return
		}
		var all [][]byte
		for k := range bytes.SplitSeq(lines, []byte("\n")) {
			if len(k) > 0 {
				all = append(all, k)
			}
		}
		e := &wrapped{chaos.New(chaos.Options{MaxKey: 40}), layout{short: 39, longest: 5000}}
		db := create(t, e)
		update(t, db, func(tx engine.Tx) error {
			for _, k := range all {
				if err := tx.Put(space, k, k); err != nil {
					return err
				}
			}
			return nil
		})
		slices.SortFunc(all, bytes.Compare)
		all = slices.CompactFunc(all, bytes.Equal)
		want := slices.DeleteFunc(slices.Clone(all), func(k []byte) bool { return bytes.Compare(k, from) < 0 || bytes.Compare(k, to) >= 0 })
		for _, reverse := range []bool{false, true} {
			var got [][]byte
			err := db.View(t.Context(), func(r engine.Reader) error {
				return r.Scan(space, engine.Range{From: from, To: to, Reverse: reverse}, func(k, v []byte) (bool, error) {
					if !bytes.Equal(k, v) {
						t.Errorf("%q is at %q", v, k)
					}
					got = append(got, bytes.Clone(k))
					return true, nil
				})
			})
			if reverse {
				slices.Reverse(got)
			}
			if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		}
		update(t, db, func(w engine.Tx) error {
			for _, k := range all {
				if err := w.Delete(space, k); err != nil {
					return err
				}
			}
			for _, s := range []engine.Space{space, deep} {
				if k, _, err := w.(*tx).tx.Last(s); k != nil || err != nil {
					t.Errorf("%q is left in space %d, %v", k, s, err)
				}
			}
			return nil
		})
	})
}
