package store_test

import (
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/chaos"
)

// eachEngine runs a test on every engine. open makes a fresh database, which is given
// back when the test ends.
func eachEngine(t *testing.T, test func(t *testing.T, open func(testing.TB) *store.DB)) {
	for name, make := range engines {
		t.Run(name, func(t *testing.T) {
			eng := make(t)
			s, err := store.Open(t.Context(), eng, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if err := eng.Close(); err != nil {
					t.Error(err)
				}
			})
			n := 0
			test(t, func(t testing.TB) *store.DB {
				n++
				name := "db" + string(rune('a'+n%26)) + string(rune('a'+n/26%26))
				s.Drop(t.Context(), name)
				if err := s.Create(t.Context(), name); err != nil {
					t.Fatal(err)
				}
				db, err := bare(t.Context(), s, name)
				if err != nil {
					t.Fatal(err)
				}
				return db
			})
		})
	}
}

// engines makes each kind of engine.
var engines = map[string]func(testing.TB) engine.Engine{
	"bolt": func(t testing.TB) engine.Engine {
		e, err := bolt.Open(t.TempDir(), bolt.Options{AppendOnly: store.AppendOnly, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		return e
	},
	"chaos": func(testing.TB) engine.Engine {
		return chaos.New(chaos.Options{Seed: 1, Rerun: 0.3, Unknown: 0.04, DropNotices: 0.3})
	},
}
