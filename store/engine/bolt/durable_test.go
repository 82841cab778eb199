package bolt_test

import (
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

const space engine.Space = 5

func put(t testing.TB, db engine.DB, k, v string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte(k), []byte(v)) })
	if err != nil {
		t.Fatal(err)
	}
}

// flush brings what is in the journal to the files.
func flush(t testing.TB, e *bolt.Engine) {
	t.Helper()
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func contents(t testing.TB, db engine.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := db.View(t.Context(), func(r engine.Reader) error {
		return r.Scan(space, engine.Range{}, func(k, v []byte) (bool, error) {
			all[string(k)] = string(v)
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReopened(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{})
	db, err := e.Create(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "k", "v")
	id := db.ID()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, dir, bolt.Options{}).Open(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != id || contents(t, again)["k"] != "v" {
		t.Error("what was written is not there after all was closed")
	}
}
