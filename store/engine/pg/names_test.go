package pg_test

import (
	"slices"
	"testing"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// A list may begin after any bytes, also such as no text of PostgreSQL has.
func TestListAfterAnyBytes(t *testing.T) {
	t.Parallel()
	e := pgtest.Engine(t)
	names := []string{"_users", "a", "a+b", "ab", "ab/c", "b"}
	for _, name := range names {
		db, err := e.Create(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, after := range []string{"", "a", "a\x00", "a\x00z", "\xff", "a\xff\xff", "a*\xff", "aa\xff\xff", "ab\x7f", "é", "b\u00e9", "a\x01"} {
		got, err := e.List(t.Context(), after, -1)
		if err != nil {
			t.Errorf("after %q: %v", after, err)
			continue
		}
		want := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name <= after })
		if !slices.Equal(got, want) {
			t.Errorf("after %q: %v, want %v", after, got, want)
		}
	}
}
