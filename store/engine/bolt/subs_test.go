package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// A new database has nothing of an earlier one of its name, whose file somebody has removed, or a crash: not in the
// process that had that one open, and not in the next.
func TestNewDatabaseHasNoOlderSubs(t *testing.T) {
	for _, restart := range []bool{false, true} {
		dir := t.TempDir()
		e := open(t, dir, neverFlush)
		made, err := e.Create(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		sub, err := made.Sub(t.Context(), "index")
		if err != nil {
			t.Fatal(err)
		}
		put(t, sub, "k", "old")
		if err := e.FlushOne("a"); err != nil {
			t.Fatal(err)
		}
		for _, db := range []engine.DB{sub, made} {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if restart {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(filepath.Join(dir, "a.bolt")); err != nil {
			t.Fatal(err)
		}
		if restart {
			e = open(t, dir, neverFlush)
		}
		again, err := e.Create(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		names, err := again.(engine.SubLister).Subs(t.Context())
		if err != nil || len(names) != 0 {
			t.Errorf("after a restart %v: it has %v, %v", restart, names, err)
		}
	}
}

// The path of the folder is no pattern: indexes are found, and looked at, whatever its name has in it.
func TestSubsInAFolderWithBrackets(t *testing.T) {
	for _, name := range []string{"data[1]", "data["} {
		e := open(t, filepath.Join(t.TempDir(), name), bolt.Options{NoSync: true})
		db, err := e.Create(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		sub, err := db.Sub(t.Context(), "index")
		if err != nil {
			t.Fatal(err)
		}
		put(t, sub, "k", "v")
		if names, err := db.(engine.SubLister).Subs(t.Context()); err != nil || len(names) != 1 {
			t.Errorf("%s: it has %v, %v", name, names, err)
		}
	}
}

// Nor has it what is still open of that one.
func TestNewDatabaseHasNoOpenOlderSubs(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, neverFlush)
	made, err := e.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	old, err := made.Sub(t.Context(), "index")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	put(t, old, "k", "old")
	if err := e.FlushOne("a"); err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "a.bolt")); err != nil {
		t.Fatal(err)
	}
	again, err := e.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	sub, err := again.Sub(t.Context(), "index")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	err = sub.View(t.Context(), func(r engine.Reader) error {
		v, err := r.Get(space, []byte("k"))
		if v != nil {
			t.Errorf("its index has %q", v)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := old.View(t.Context(), func(engine.Reader) error { return nil }); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("the older one: %v", err)
	}
}

// BenchmarkCreate makes databases.
func BenchmarkCreate(b *testing.B) {
	e := open(b, b.TempDir(), bolt.Options{NoSync: true, FlushAfter: time.Hour, CloseWithin: time.Nanosecond})
	for n := 0; b.Loop(); n++ {
		db, err := e.Create(b.Context(), fmt.Sprintf("db-%d", n))
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
