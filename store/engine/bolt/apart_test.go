package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// What is set apart of a database is never left lying where there is no journal, or another one: whoever opens the
// database has it.
func TestApartWithoutItsJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, neverFlush)
	db := made(t, e, "a/b")
	put(t, db, "old", "1")
	if err := e.FlushOne("a/b"); err != nil {
		t.Fatal(err)
	}
	put(t, db, "new", "1")
	put(t, db, "newer", "1")
	if err := e.SetApart("a/b"); err != nil {
		t.Fatal(err)
	}
	lost := killedCopy(t, dir) // and nobody has the journal any more
	if err := errors.Join(os.RemoveAll(filepath.Join(lost, "journal")), os.Remove(filepath.Join(lost, "journal.pending"))); err != nil {
		t.Fatal(err)
	}
	direct := neverFlush
	direct.Direct = true
	for what, opt := range map[string]bolt.Options{"without a journal": direct, "with another journal": neverFlush} {
		dir := killedCopy(t, lost)
		only := opt
		only.AsItIs = true
		e := open(t, dir, only)
		if db, err := e.Open(t.Context(), "a/b"); err == nil { // it may be shown without, if nobody is told that all is well
			t.Errorf("%s: who only reads sees %v, and is told nothing", what, contents(t, db))
		} else if !strings.Contains(err.Error(), bolt.AheadSuffix) {
			t.Errorf("%s: who only reads hears %v", what, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		for range 2 { // starts
			e := open(t, dir, opt)
			db, err := e.Open(t.Context(), "a/b")
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if got := contents(t, db); got["old"] != "1" || got["new"] != "1" || got["newer"] != "1" {
				t.Errorf("%s: it has %v", what, got)
			}
			put(t, db, "after", "1")
			if err := errors.Join(db.Close(), e.Close()); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "a.b.bolt"+bolt.AheadSuffix)); !os.IsNotExist(err) {
			t.Errorf("%s: the file of what was set apart: %v", what, err)
		}

		missing := killedCopy(t, lost)
		if err := os.Remove(filepath.Join(missing, "a.b.bolt")); err != nil {
			t.Fatal(err)
		}
		var told []string
		opt.Noticed = func(what string) { told = append(told, what) }
		open(t, missing, opt)
		if !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "a.b.bolt"+bolt.AheadSuffix) }) {
			t.Errorf("%s: of a database whose file is missing there is said %q", what, told)
		}
	}
}

// Of two databases that had one name, neither takes the other's place when what they lack is set apart: nobody knows which of
// them the damaged file is.
func TestApartOfOneName(t *testing.T) {
	t.Parallel()
	damaged := func(dir string) (path string, was []byte) {
		t.Helper()
		path = filepath.Join(dir, "db.bolt")
		was, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, bytes.Repeat([]byte{0xff}, len(was)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path, was
	}
	dir := t.TempDir()
	opt := neverFlush
	opt.SegmentBytes = 200
	e := open(t, dir, opt)
	db := made(t, e, "db")
	put(t, db, "first", "1")
	if err := e.FlushOne("db"); err != nil {
		t.Fatal(err)
	}
	put(t, made(t, e, "other"), "k", strings.Repeat("x", 300)) // keeps what comes now in the journal
	put(t, db, "first", "2")
	if err := errors.Join(e.FlushOne("db"), db.Close()); err != nil {
		t.Fatal(err)
	}
	damaged(dir)
	if err := e.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	db = made(t, e, "db")
	if err := e.FlushOne("db"); err != nil {
		t.Fatal(err)
	}
	put(t, db, "second", "1")
	for range 6 {
		dir := killedCopy(t, dir)
		path, was := damaged(dir)
		e := open(t, dir, opt)
		if _, err := e.Open(t.Context(), "db"); !errors.Is(err, engine.ErrForeign) {
			t.Fatalf("opened while it is damaged: %v", err)
		}
		e.SetBrokenApart()
		dir = killedCopy(t, dir)
		path = filepath.Join(dir, filepath.Base(path))
		err := errors.Join(os.WriteFile(path, was, 0o600), os.RemoveAll(filepath.Join(dir, "journal")), os.Remove(filepath.Join(dir, "journal.pending")))
		if err != nil {
			t.Fatal(err)
		}
		db, err := open(t, dir, opt).Open(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db); len(got) != 1 || got["second"] != "1" {
			t.Fatalf("it has %v", got)
		}
	}
}
