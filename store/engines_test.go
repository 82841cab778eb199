package store_test

import (
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// testIDLength is the longest id that the databases of eachEngine take.
const testIDLength = 100_000

// eachEngine runs a test on every engine. open makes a fresh database and releases it when
// the test ends.
func eachEngine(t *testing.T, test func(t *testing.T, open func(testing.TB) *store.DB)) {
	eachEngineWith(t, store.Properties{}, test)
}

// eachEngineWith is eachEngine for databases with properties.
func eachEngineWith(t *testing.T, p store.Properties, test func(t *testing.T, open func(testing.TB) *store.DB)) {
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			s := storetest.On(t, open(t), store.Options{MaxIDLength: testIDLength})
			n := 0
			test(t, func(t testing.TB) *store.DB {
				n++
				name := "db" + string(rune('a'+n%26)) + string(rune('a'+n/26%26))
				s.Drop(t.Context(), name)
				if err := s.CreateWith(t.Context(), name, p); err != nil {
					t.Fatal(err)
				}
				db, err := storetest.OpenDB(t.Context(), s, name)
				if err != nil {
					t.Fatal(err)
				}
				return db
			})
		})
	}
}
