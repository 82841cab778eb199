package bolt_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// openFiles is how many files of a folder this process has open.
func openFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, dir) {
			n++
		}
	}
	return n
}

// After Close there is no goroutine and no open file left, whatever was done before.
func TestNothingLeftAfterClose(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	e, err := bolt.Open(dir, bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		db, err := e.Create(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		sub, err := db.Sub(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, "k", "v")
		put(t, sub, "k", "v")
		db.Watch()
		if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if name == "a" {
			err = errors.Join(sub.Close(), db.Close())
		} else if name == "b" {
			err = e.Drop(t.Context(), name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if n := openFiles(t, dir); n != 0 {
		t.Errorf("%d files are open", n)
	}
	deadline := time.Now().Add(time.Minute) // a goroutine that is done takes a moment to be gone
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, there were %d", n, before)
	}
}
