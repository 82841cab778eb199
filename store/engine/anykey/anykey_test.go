package anykey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/chaos"
	"github.com/tododb/tododb/store/engine/enginetest"
)

const space engine.Space = 3

// engines are wrapped ones: in some of them nearly every key is a long one.
var engines = map[string]func(testing.TB) engine.Engine{
	"bolt": func(t testing.TB) engine.Engine {
		e, err := bolt.Open(t.TempDir(), bolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		return &wrapped{e, layout{short: 50, longest: 5000}}
	},
	"small keys": func(testing.TB) engine.Engine {
		return &wrapped{chaos.New(chaos.Options{MaxKey: 40}), layout{short: 39, longest: 5000}}
	},
	"faults": func(testing.TB) engine.Engine {
		return &wrapped{chaos.New(chaos.Options{MaxKey: 35, Rerun: 1}), layout{short: 34, longest: 500}}
	},
}

func each(t *testing.T, test func(t *testing.T, e engine.Engine)) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			t.Cleanup(func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, e)
		})
	}
}

func TestConformance(t *testing.T) {
	for name, open := range map[string]func(testing.TB) engine.Engine{
		"bolt": engines["bolt"],
		"chaos": func(testing.TB) engine.Engine {
			return &wrapped{chaos.New(chaos.Options{MaxKey: 60}), layout{short: 59, longest: 5000}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(t testing.TB) engine.Engine {
				e := open(t)
				t.Cleanup(func() { e.Close() })
				return e
			})
		})
	}
}

func create(t testing.TB, e engine.Engine) engine.DB {
	t.Helper()
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func update(t testing.TB, db engine.DB, fn func(engine.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// problems are what a check finds.
func problems(t testing.TB, db engine.DB) (all []string) {
	t.Helper()
	err := db.(engine.Checker).CheckStorage(context.WithoutCancel(t.Context()), func(p string) { all = append(all, p) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// keys are some that begin alike, cut everywhere near where the engine's keys end.
var keys = rapid.Custom(func(t *rapid.T) string {
	var b strings.Builder
	for range rapid.IntRange(1, 4).Draw(t, "parts") {
		b.WriteString(strings.Repeat(rapid.SampledFrom([]string{"a", "b", "\x00", "\xff"}).Draw(t, "byte"),
			rapid.SampledFrom([]int{1, 2, 33, 34, 35, 39, 40, 50, 51, 90}).Draw(t, "times")))
	}
	return b.String()
})

// Whatever is written and removed, every range is what a sorted list would give, in the
// transaction and after it, and no link is lost or left over.
func TestRangesAreThoseOfAMap(t *testing.T) {
	each(t, func(t *testing.T, e engine.Engine) {
		db := create(t, e)
		want := map[string]string{}
		rapid.Check(t, func(rt *rapid.T) {
			next := maps.Clone(want)
			work := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) [3]string {
				k := keys.Draw(rt, "key")
				if len(want) > 0 && rapid.Bool().Draw(rt, "known") {
					k = rapid.SampledFrom(slices.Sorted(maps.Keys(want))).Draw(rt, "which")
				}
				return [3]string{rapid.SampledFrom([]string{"put", "insert", "delete", "range"}).Draw(rt, "op"), k, keys.Draw(rt, "to or value")}
			}), 0, 8).Draw(rt, "work")
			var rgs []engine.Range
			bound := func(name string) []byte {
				if rapid.IntRange(0, 4).Draw(rt, "no "+name) == 0 {
					return nil
				}
				return []byte(keys.Draw(rt, name))
			}
			for range 4 {
				rgs = append(rgs, engine.Range{From: bound("from"), To: bound("to"), Reverse: rapid.Bool().Draw(rt, "reverse"),
					Limit: rapid.IntRange(0, 3).Draw(rt, "limit"), KeysOnly: rapid.Bool().Draw(rt, "keys only"), Brief: rapid.Bool().Draw(rt, "brief")})
			}
			update(t, db, func(tx engine.Tx) error {
				next = maps.Clone(want)
				for _, w := range work {
					if err := do(tx, next, w[0], w[1], w[2]); err != nil {
						return err
					}
				}
				compare(rt, tx, next, rgs)
				return nil
			})
			want = next
			err := db.View(t.Context(), func(r engine.Reader) error {
				compare(rt, r, want, rgs)
				return nil
			})
			if found := problems(t, db); err != nil || len(found) > 0 {
				rt.Fatalf("%v, %q", err, found)
			}
		})
		update(t, db, func(tx engine.Tx) error { return tx.DeleteRange(space, nil, nil) })
		err := db.(*database).DB.View(t.Context(), func(r engine.Reader) error {
			for _, s := range []engine.Space{space, deep} {
				if k, _, err := r.Last(s); k != nil || err != nil {
					return fmt.Errorf("%q is left in space %d, %v", k, s, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// do works on the engine and on the map.
func do(tx engine.Tx, all map[string]string, op, k, v string) error {
	_, there := all[k]
	switch op {
	case "put":
		all[k] = v
		return tx.Put(space, []byte(k), []byte(v))
	case "insert":
		err := tx.Insert(space, []byte(k), []byte(v))
		if there != errors.Is(err, engine.ErrDuplicate) {
			return fmt.Errorf("insert of a key that is there (%t): %w", there, err)
		}
		if there {
			return nil
		}
		all[k] = v
		return err
	case "delete":
		delete(all, k)
		return tx.Delete(space, []byte(k))
	}
	for key := range all {
		if key >= k && key < v {
			delete(all, key)
		}
	}
	return tx.DeleteRange(space, []byte(k), []byte(v))
}

func compare(t *rapid.T, r engine.Reader, all map[string]string, rgs []engine.Range) {
	sorted := slices.Sorted(maps.Keys(all))
	for _, rg := range rgs {
		want := slices.DeleteFunc(slices.Clone(sorted), func(k string) bool {
			return rg.From != nil && k < string(rg.From) || rg.To != nil && k >= string(rg.To)
		})
		if rg.Reverse {
			slices.Reverse(want)
		}
		if rg.Limit > 0 {
			want = want[:min(rg.Limit, len(want))]
		}
		var got []string
		err := r.Scan(space, rg, func(k, v []byte) (bool, error) {
			if !rg.KeysOnly && string(v) != all[string(k)] {
				return false, fmt.Errorf("%q has the value %q", k, v)
			}
			got = append(got, string(k))
			return true, nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%+v is %q, %v, want %q", rg, got, err, want)
		}
	}
	raw := [][]byte{[]byte("nothing"), bytes.Repeat([]byte("nothing"), 20)}
	for _, k := range sorted {
		raw = append(raw, []byte(k))
	}
	err := r.GetMulti(space, raw, func(i int, v []byte) error {
		want, there := all[string(raw[i])]
		if alone, err := r.Get(space, raw[i]); err != nil || (v != nil) != there || string(v) != want || string(alone) != want {
			return fmt.Errorf("%q reads %q and %q, %w, want %q", raw[i], v, alone, err, want)
		}
		return nil
	})
	k, v, lastErr := r.Last(space)
	if len(sorted) > 0 && (string(k) != sorted[len(sorted)-1] || string(v) != all[string(k)]) || err != nil || lastErr != nil {
		t.Fatalf("the last is %q (%q), %v, %v", k, v, err, lastErr)
	}
}

// Many keys with one long beginning share it: what is on disk grows with what differs.
func TestBeginningsAreShared(t *testing.T) {
	each(t, func(t *testing.T, e engine.Engine) {
		db := create(t, e)
		const n = 200
		begin := strings.Repeat("x", 400)
		update(t, db, func(tx engine.Tx) error {
			for i := range n {
				if err := tx.Put(space, fmt.Appendf(nil, "%s%03d", begin, i), []byte("v")); err != nil {
					return err
				}
			}
			return nil
		})
		size, read := 0, 0
		err := db.(*database).DB.View(t.Context(), func(r engine.Reader) error {
			for _, s := range []engine.Space{space, deep} {
				err := r.Scan(s, engine.Range{}, func(k, _ []byte) (bool, error) {
					size += len(k)
					return true, nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || size > n*120+20*len(begin) {
			t.Errorf("%d keys of %d bytes take %d, %v", n, len(begin)+3, size, err)
		}
		err = db.View(t.Context(), func(r engine.Reader) error {
			rg := engine.Range{From: []byte(begin + "150"), To: []byte(begin + "153")}
			return r.Scan(space, rg, func(k, _ []byte) (bool, error) {
				read++
				return true, nil
			})
		})
		if err != nil || read != 3 {
			t.Errorf("a part of them has %d, %v", read, err)
		}
	})
}

// Damage is never an empty answer.
func TestDamageIsTold(t *testing.T) {
	key := []byte(strings.Repeat("k", 200))
	for name, damage := range map[string]func(l *layout, tx engine.Tx) error{
		"a lost end": func(l *layout, tx engine.Tx) error { return tx.Delete(l.at(space, key)) },
		"a lost link": func(l *layout, tx engine.Tx) error {
			links, _ := l.way(space, key)
			return tx.Delete(deep, links[1].at.Key)
		},
		"a lost first link": func(l *layout, tx engine.Tx) error {
			links, _ := l.way(space, key)
			return tx.Delete(space, links[0].at.Key)
		},
		"a stray end": func(l *layout, tx engine.Tx) error {
			return tx.Put(deep, append(bytes.Repeat([]byte{byte(space)}, nodeSize), "x"...), nil)
		},
		"a stray link": func(l *layout, tx engine.Tx) error {
			return tx.Put(space, bytes.Repeat([]byte("x"), l.short+1), linkValue)
		},
		"a short one in the deep space": func(l *layout, tx engine.Tx) error { return tx.Put(deep, []byte("x"), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &wrapped{chaos.New(chaos.Options{MaxKey: 60}), layout{short: 50, longest: 5000}}
			db := create(t, e)
			update(t, db, func(tx engine.Tx) error { return tx.Put(space, key, []byte("v")) })
			if found := problems(t, db); len(found) > 0 {
				t.Fatal(found)
			}
			update(t, db.(*database).DB, func(tx engine.Tx) error { return damage(&e.layout, tx) })
			if found := problems(t, db); len(found) == 0 {
				t.Error("a check finds nothing")
			}
			if !strings.Contains(name, "lost end") && name != "a stray link" {
				return
			}
			err := db.View(t.Context(), func(r engine.Reader) error {
				return r.Scan(space, engine.Range{}, func(_, _ []byte) (bool, error) { return true, nil })
			})
			if !errors.Is(err, engine.ErrForeign) {
				t.Errorf("a read of it: %v", err)
			}
		})
	}
}

// Where keys stand is on disk.
func TestLayoutStays(t *testing.T) {
	eng := New(chaos.New(chaos.Options{MaxKey: 30000})).(*telling).wrapped
	for n, want := range map[int]string{
		1: "1, 1", 2048: "1, 2048", 2049: "2, 34", 4063: "2, 2048", 4064: "3, 34", 7000: "4, 955", 60000: "30, 1565",
	} {
		links, _ := eng.layout.way(space, bytes.Repeat([]byte("k"), n))
		s, k := eng.layout.at(space, bytes.Repeat([]byte("k"), n))
		if got := fmt.Sprintf("%d, %d", len(links)+1, len(k)); got != want || (s == deep) != (n > 2048) {
			t.Errorf("a key of %d bytes has %s in space %d, want %s", n, got, s, want)
		}
	}
	_, k := eng.layout.at(space, bytes.Repeat([]byte("k"), 5000))
	if got := fmt.Sprintf("%x", k[:9]); got != "03402922c4fe80ad08" {
		t.Errorf("the last node of a key is %s", got)
	}
}
