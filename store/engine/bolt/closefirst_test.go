package bolt_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// Where a file must be closed before it is renamed or removed, as on Windows, a database is compacted
// beside readers, dropped with open handles, made again and replaced all the same.
func TestFilesAreClosedFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{NoSync: true})
	e.CloseFirst()
	const space engine.Space = 1
	put := func(db engine.DB, key string) {
		t.Helper()
		if err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte(key), []byte("v")) }); err != nil {
			t.Fatal(err)
		}
	}
	has := func(db engine.DB, key string) error {
		return db.View(t.Context(), func(r engine.Reader) error {
			value, err := r.Get(space, []byte(key))
			if err == nil && value == nil {
				err = errors.New(key + " is missing")
			}
			return err
		})
	}
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	put(db, "a")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := has(db, "a"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 {
		if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
			t.Error(err)
		}
		put(db, "b")
	}
	close(stop)
	readers.Wait()
	if err := has(db, "b"); err != nil {
		t.Error(err)
	}

	if err := e.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if err := has(db, "a"); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("what was dropped: %v", err)
	}
	again, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	put(again, "c")
	aside, err := e.Aside(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	put(aside, "d")
	if err := aside.Replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := has(again, "c"); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("what was replaced: %v", err)
	}
	now, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if err := has(now, "d"); err != nil {
		t.Error(err)
	}
	for _, one := range []engine.DB{db, again, now} {
		if err := one.Close(); err != nil {
			t.Error(err)
		}
	}
}
