package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// Somebody puts another file in the place of one that is in use, or removes it. Nothing is written any more
// to what nobody will find again, and a compaction does not replace the file that is there now.
func TestReplacedInUse(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file in use has its name for itself")
	}
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{NoSync: true})
	path, copied := filepath.Join(dir, "db.bolt"), filepath.Join(dir, "copy")
	write := func(tx engine.Tx) error { return tx.Put(space, []byte("k"), []byte("lost")) }
	for what, use := range map[string]func(engine.DB) error{
		"write":   func(db engine.DB) error { return db.Update(t.Context(), write) },
		"compact": func(db engine.DB) error { return db.(engine.Compacter).Compact(t.Context()) },
	} {
		db, err := e.Create(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, "k", "old")
		flush(t, e)
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(copied, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, "k", "new")
		if err := os.Rename(copied, path); err != nil {
			t.Fatal(err)
		}
		if err := use(db); !errors.Is(err, engine.ErrForeign) {
			t.Errorf("%s: %v", what, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if db, err = e.Open(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db)["k"]; got != "old" {
			t.Errorf("%s: the file that was put there has %q", what, got)
		}
		put(t, db, "k", "newer")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := use(db); !errors.Is(err, engine.ErrForeign) {
			t.Errorf("%s after the file was removed: %v", what, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if _, err := e.Open(t.Context(), "db"); !errors.Is(err, engine.ErrNoDB) {
			t.Errorf("%s after the file was removed: opening: %v", what, err)
		}
	}
}
