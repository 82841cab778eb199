package bolt_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/engine/bolt"
)

// A name has a history in the journal: databases that had it, were dropped, and perhaps put back. What was written last to
// the one that has it now is there after kills, though its file was damaged for a while.
func TestHistoryOfName(t *testing.T) {
	t.Parallel()
	for what, before := range map[string]func(*testing.T, string, *bolt.Engine){
		"no other had the name": func(t *testing.T, _ string, e *bolt.Engine) {
			put(t, made(t, e, "db"), "a", "1")
			if err := e.FlushOne("db"); err != nil {
				t.Fatal(err)
			}
		},
		"another one had the name": func(t *testing.T, _ string, e *bolt.Engine) {
			made(t, e, "db")
			if err := e.Drop(t.Context(), "db"); err != nil {
				t.Fatal(err)
			}
			put(t, made(t, e, "db"), "a", "1")
		},
		"it was put back": func(t *testing.T, dir string, e *bolt.Engine) {
			dropAndKeep(t, dir, e)()
		},
		"it was put back after another one": func(t *testing.T, dir string, e *bolt.Engine) {
			back := dropAndKeep(t, dir, e)
			made(t, e, "db")
			if err := e.Drop(t.Context(), "db"); err != nil {
				t.Fatal(err)
			}
			back()
		},
	} {
		for _, how := range []string{"killed", "damaged", "damaged and set apart"} {
			t.Run(what+", "+how, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				opt := neverFlush
				opt.Kept = func() bool { _, err := os.Stat(filepath.Join(dir, "keep")); return err == nil }
				e := open(t, dir, opt)
				other := made(t, e, "other")
				before(t, dir, e)
				db, err := e.Open(t.Context(), "db")
				if err != nil {
					t.Fatal(err)
				}
				// After that is written which counts, the journal notes what is in the files.
				if err := e.FlushUnnamed("db"); err != nil {
					t.Fatal(err)
				}
				put(t, other, "a", "1")
				put(t, db, "b", "1")
				if err := e.FlushOne("other"); err != nil {
					t.Fatal(err)
				}
				dir = killedCopy(t, dir)
				if how != "killed" {
					path := filepath.Join(dir, "db.bolt")
					image, err := os.ReadFile(path)
					if err == nil {
						err = os.WriteFile(path, make([]byte, len(image)), 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
					e := open(t, dir, neverFlush)
					if how != "damaged" {
						e.SetBrokenApart()
					}
					put(t, made(t, e, "third"), "a", "1")
					if err := e.FlushOne("third"); err != nil {
						t.Fatal(err)
					}
					dir = killedCopy(t, dir)
					if err := os.WriteFile(filepath.Join(dir, "db.bolt"), image, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if db, err = open(t, dir, neverFlush).Open(t.Context(), "db"); err != nil {
					t.Fatal(err)
				}
				if got := contents(t, db); !maps.Equal(got, map[string]string{"a": "1", "b": "1"}) {
					t.Errorf("it has %v", got)
				}
			})
		}
	}
}

// dropAndKeep makes a database and drops it, but its file is kept. back gives that its name again.
func dropAndKeep(t *testing.T, dir string, e *bolt.Engine) (back func()) {
	t.Helper()
	keep := filepath.Join(dir, "keep")
	db := made(t, e, "db")
	put(t, db, "a", "1")
	if err := errors.Join(db.Close(), os.WriteFile(keep, nil, 0o600), e.Drop(t.Context(), "db"), os.Remove(keep)); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "db.*"+bolt.KeptSuffix))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	return func() {
		if err := os.Rename(kept[0], filepath.Join(dir, "db.bolt")); err != nil {
			t.Fatal(err)
		}
	}
}

// longest is the longest name that the store gives a database.
var longest = strings.Repeat("d", 238)

// A database of the longest name can be made aside, replaced, and dropped though its file is kept, with what is set apart of it.
func TestLongestName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := neverFlush
	opt.Kept = func() bool { return true }
	e := open(t, dir, opt)
	if err := made(t, e, longest).Close(); err != nil {
		t.Fatal(err)
	}
	aside, err := e.Aside(t.Context(), longest)
	if err != nil {
		t.Fatal(err)
	}
	put(t, aside, "a", "1")
	if err := aside.Replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := e.Open(t.Context(), longest)
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "b", "1") // this goes to the file
	put(t, db, "c", "1")
	if err := errors.Join(e.SetApart(longest), db.Close(), e.Drop(t.Context(), longest)); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "d*"+bolt.KeptSuffix))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	if err := os.Rename(kept[0], filepath.Join(dir, longest+".bolt")); err != nil {
		t.Fatal(err)
	}
	if db, err = e.Open(t.Context(), longest); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, db); !maps.Equal(got, map[string]string{"a": "1", "b": "1", "c": "1"}) {
		t.Errorf("it has %v", got)
	}
}
