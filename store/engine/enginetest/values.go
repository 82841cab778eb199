package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/engine"
)

// spaces holds that a key of one space is none of another's, up to the last space.
func spaces(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	update(t, db, func(tx engine.Tx) error {
		for s := engine.Space(1); s <= 31; s++ {
			if err := tx.Put(s, []byte("k"), []byte{byte(s)}); err != nil {
				return err
			}
		}
		return tx.Delete(7, []byte("k"))
	})
	err := db.View(t.Context(), func(r engine.Reader) error {
		for s := engine.Space(1); s <= 31; s++ {
			want := []byte{byte(s)}
			if s == 7 {
				want = nil
			}
			if v, err := r.Get(s, []byte("k")); err != nil || !bytes.Equal(v, want) {
				t.Errorf("space %d reads %v, %v", s, v, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// empty holds that an empty value is a value.
func empty(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	for i, v := range [][]byte{nil, {}} {
		k := []byte{byte('a' + i)}
		there := func(r engine.Reader) {
			if got, err := r.Get(space, k); got == nil || len(got) != 0 || err != nil {
				t.Errorf("an empty value reads %v, %v", got, err)
			}
		}
		update(t, db, func(tx engine.Tx) error {
			if err := tx.Put(space, k, v); err != nil {
				return err
			}
			there(tx)
			if err := tx.Insert(space, k, v); !errors.Is(err, engine.ErrDuplicate) {
				t.Errorf("a second insert: %v", err)
			}
			return nil
		})
		err := db.View(t.Context(), func(r engine.Reader) error {
			there(r)
			if v, err := r.Get(space, nil); v != nil || err != nil {
				t.Errorf("the empty key reads %q, %v", v, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// large stages more than one transaction takes, and values of many pages.
func large(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 300_000+i) }
	n := min(e.Caps().MaxTxBytes, 8<<20)/300_000 + 2
	err := db.Stage(t.Context(), space, func(yield func(k, v []byte) bool) {
		for i := range n {
			if !yield(fmt.Appendf(nil, "%03d", i), value(i)) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if v := get(t, db, fmt.Sprintf("%03d", i)); !bytes.Equal(v, value(i)) {
			t.Errorf("value %d has %d bytes", i, len(v))
		}
	}
}

// copies holds that keys are the engine's own once they are given.
func copies(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	update(t, db, func(tx engine.Tx) error {
		k := []byte("k1")
		if err := tx.Put(space, k, []byte("v1")); err != nil {
			return err
		}
		k[1] = '2'
		return tx.Put(space, k, []byte("v2"))
	})
	if string(get(t, db, "k1")) != "v1" || string(get(t, db, "k2")) != "v2" {
		t.Error("a key has changed after it was given")
	}
}

// rangeModel compares ranges with those of a sorted slice, in a view and inside the
// transaction that made what they run over.
func rangeModel(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	text := rapid.StringOfN(rapid.SampledFrom([]rune{'\x00', 'a', 'b', 'ÿ'}), 1, 4, -1)
	rapid.Check(t, func(rt *rapid.T) {
		old := rapid.SliceOfNDistinct(text, 0, 12, rapid.ID).Draw(rt, "keys")
		added := rapid.SliceOfNDistinct(text, 0, 12, rapid.ID).Draw(rt, "added")
		removed := rapid.SliceOfN(text, 0, 3).Draw(rt, "removed")
		if len(old) > 0 {
			removed = append(removed, rapid.SampledFrom(old).Draw(rt, "one of them"))
		}
		var rgs []engine.Range
		for range 5 {
			rg := engine.Range{Reverse: rapid.Bool().Draw(rt, "reverse"), Limit: rapid.IntRange(0, 4).Draw(rt, "limit")}
			if rapid.Bool().Draw(rt, "has from") {
				rg.From = []byte(text.Draw(rt, "from"))
			}
			if rapid.Bool().Draw(rt, "has to") {
				rg.To = []byte(text.Draw(rt, "to"))
			}
			rgs = append(rgs, rg)
		}
		update(t, db, func(tx engine.Tx) error {
			if err := tx.DeleteRange(space, nil, nil); err != nil {
				return err
			}
			for _, k := range old {
				if err := tx.Put(space, []byte(k), []byte(k)); err != nil {
					return err
				}
			}
			return nil
		})
		want := slices.DeleteFunc(append(slices.Clone(old), added...), func(k string) bool { return slices.Contains(removed, k) })
		slices.Sort(want)
		want = slices.Compact(want)
		check := func(where string, r engine.Reader) {
			for _, rg := range rgs {
				got, err := walk(r, rg)
				if w := inRange(want, rg); err != nil || !slices.Equal(got, w) {
					rt.Errorf("%s: %+v is %q, %v, want %q", where, rg, got, err, w)
				}
			}
		}
		update(t, db, func(tx engine.Tx) error {
			for _, k := range added {
				if err := tx.Put(space, []byte(k), []byte(k)); err != nil {
					return err
				}
			}
			for _, k := range removed {
				if err := tx.Delete(space, []byte(k)); err != nil {
					return err
				}
			}
			check("inside", tx)
			return nil
		})
		err := db.View(t.Context(), func(r engine.Reader) error {
			check("after", r)
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func walk(r engine.Reader, rg engine.Range) (ks []string, err error) {
	for c := r.Cursor(space, rg); ; {
		k, v, err := c.Next()
		if err != nil || k == nil {
			return ks, err
		}
		if !bytes.Equal(k, v) {
			return ks, fmt.Errorf("the value of %q is %q", k, v)
		}
		ks = append(ks, string(k))
	}
}

func inRange(sorted []string, rg engine.Range) (in []string) {
	for _, k := range sorted {
		if (rg.From == nil || k >= string(rg.From)) && (rg.To == nil || k < string(rg.To)) {
			in = append(in, k)
		}
	}
	if rg.Reverse {
		slices.Reverse(in)
	}
	if rg.Limit > 0 {
		in = in[:min(rg.Limit, len(in))]
	}
	return in
}

// deletedRanges holds that a writer, which has deleted more than fits a page of an engine,
// finds what is left behind that from both sides, and nothing where nothing is.
func deletedRanges(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	const n = 3000
	key := func(i int) []byte { return fmt.Appendf(nil, "%05d%050d", i, 0) }
	update(t, db, func(tx engine.Tx) error {
		for i := range n {
			if err := tx.Put(space, key(i), key(i)); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, db, func(tx engine.Tx) error {
		for _, left := range [][]int{{0, 10, 2000, n - 1}, {10, 2000}, {2000}, {}} {
			for i := range n {
				if slices.Contains(left, i) {
					continue
				}
				if err := tx.Delete(space, key(i)); err != nil {
					return err
				}
			}
			var want []string
			for _, i := range left {
				want = append(want, string(key(i)))
			}
			for _, rg := range []engine.Range{{}, {Reverse: true}, {To: key(n), Reverse: true}, {From: key(1), To: key(n - 1), Reverse: true}} {
				if got, err := walk(tx, rg); err != nil || !slices.Equal(got, inRange(want, rg)) {
					t.Errorf("%v are left: %+v is %q, %v", left, rg, got, err)
				}
			}
			last := ""
			if len(want) > 0 {
				last = want[len(want)-1]
			}
			if k, _, err := tx.Last(space); string(k) != last || err != nil {
				t.Errorf("%v are left: the last is %q, %v", left, k, err)
			}
		}
		return nil
	})
}
