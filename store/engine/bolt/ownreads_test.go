package bolt

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// A writer reads what it has written and what it has not, wherever the keys lie: some reads are answered from
// the pages, some by what was written. A value that it was given stays as it is until the transaction ends.
func TestAWriterReadsBetweenItsWrites(t *testing.T) {
	for name, opt := range map[string]Options{
		"direct":  {NoSync: true, Direct: true},
		"journal": {NoSync: true, DirectBytes: 3000, FlushBytes: 20000},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(12) {
				writeAndRead(t, opt, seed)
			}
		})
	}
}

func writeAndRead(t *testing.T, opt Options, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	e, err := Open(t.TempDir(), opt)
	if err != nil {
		t.Fatal(err)
	}
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	committed := map[string]string{}
	undone := errors.New("the transaction is undone")
	for n := range 10 {
		model := maps.Clone(committed)
		err := db.Update(t.Context(), func(tx engine.Tx) error {
			given := map[string][]byte{}
			at := 0
			for i := range 200 {
				if at += r.IntN(40); r.IntN(30) == 0 { // mostly in order, as writers come
					at = r.IntN(3000)
				}
				s := engine.Space(2 + r.IntN(2))
				name := func(at int) string { return fmt.Sprintf("%d key %06d", s, at) }
				k := name(at)
				got, err := tx.Get(s, []byte(k))
				if err != nil {
					return err
				}
				if want, there := model[k]; (got != nil) != there || string(got) != want {
					return fmt.Errorf("transaction %d, step %d: %s is %q, want %q", n, i, k, got, want)
				}
				if got != nil {
					given[string(got)] = got
				}
				switch r.IntN(6) {
				case 0:
					if err := tx.Delete(s, []byte(k)); err != nil {
						return err
					}
					delete(model, k)
				case 1, 2, 3:
					v := fmt.Sprintf("%d of %d, as long as a record is, or longer than that", i, n)
					if err := tx.Put(s, []byte(k), []byte(v)); err != nil {
						return err
					}
					model[k] = v
				case 4:
					if r.IntN(20) > 0 {
						break
					}
					to := name(at + r.IntN(400))
					if err := tx.DeleteRange(s, []byte(k), []byte(to)); err != nil {
						return err
					}
					maps.DeleteFunc(model, func(o, _ string) bool { return o >= k && o < to })
				}
			}
			for _, s := range []engine.Space{2, 3} {
				var got []string
				err := tx.Scan(s, engine.Range{}, func(k, v []byte) (bool, error) {
					got = append(got, string(k)+string(v))
					return true, nil
				})
				if err != nil {
					return err
				}
				var want []string
				for _, k := range slices.Sorted(maps.Keys(model)) {
					if k[0] == byte('0'+s) {
						want = append(want, k+model[k])
					}
				}
				if !slices.Equal(got, want) {
					return fmt.Errorf("transaction %d: there are %d entries, want %d", n, len(got), len(want))
				}
			}
			for was, v := range given {
				if string(v) != was {
					return fmt.Errorf("transaction %d: the value %q has become %q", n, was, v)
				}
			}
			if r.IntN(4) == 0 {
				return undone
			}
			return nil
		})
		if err == nil {
			committed = model
		} else if !errors.Is(err, undone) {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	if err := errors.Join(db.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
}
