package bolt_test

import (
	"errors"
	"fmt"
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

// The same happens to a database that nobody has open while the journal has what its file lacks. It is what is there then, or
// there is none; a crash does not change what it is, and the journal is not kept.
func TestReplacedAtRest(t *testing.T) {
	t.Parallel()
	for _, removed := range []bool{false, true} {
		for _, meets := range []string{"who opens it", "the flusher"} {
			what := fmt.Sprintf("removed %v, %s meets it", removed, meets)
			dir := t.TempDir()
			e := open(t, dir, neverFlush)
			put(t, made(t, e, "other"), "k", "v") // keeps the whole journal
			path := filepath.Join(dir, "db.bolt")
			db := made(t, e, "db")
			var older []byte
			for _, v := range []string{"older", "old"} {
				put(t, db, "k", v)
				if err := e.FlushOne("db"); err != nil {
					t.Fatal(err)
				}
				if older == nil {
					b, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					older = b
				}
			}
			put(t, db, "k", "new")
			if err := errors.Join(db.Close(), os.Remove(path)); err != nil {
				t.Fatal(err)
			}
			if !removed {
				if err := os.WriteFile(path, older, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			is := func(when string, e *bolt.Engine) {
				t.Helper()
				db, err := e.Open(t.Context(), "db")
				if removed {
					if !errors.Is(err, engine.ErrNoDB) {
						t.Errorf("%s, %s: %v", what, when, err)
					}
					return
				}
				if err != nil {
					t.Fatalf("%s, %s: %v", what, when, err)
				}
				if got := contents(t, db)["k"]; got != "older" {
					t.Errorf("%s, %s: it has %q", what, when, got)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
			if meets == "the flusher" {
				if err := e.FlushOne("db"); !errors.Is(err, engine.ErrForeign) {
					t.Errorf("%s: %v", what, err)
				}
			}
			is("at once", e)
			if !removed {
				is("after a crash", open(t, killedCopy(t, dir), neverFlush))
			}
			if err := e.Flush(t.Context()); err != nil || e.Figures().Databases > 0 {
				t.Errorf("%s: %v, and the journal is needed for %d databases", what, err, e.Figures().Databases)
			}
			if e.Known() != 1 { // the other one
				t.Errorf("%s: %d databases are known", what, e.Known())
			}
			if removed {
				put(t, made(t, e, "db"), "k", "another")
			}
		}
	}
}
