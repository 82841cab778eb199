package bolt_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

func made(t testing.TB, e *bolt.Engine, name string) engine.DB {
	t.Helper()
	db, err := e.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// killedCopy is the folder as a kill would leave it now. The file of the journal's next segment is made beside the test
// and gets its name when it is whole. If that happens meanwhile, the old name is not found, and the copy is made anew.
func killedCopy(t testing.TB, dir string) string {
	t.Helper()
	for {
		to := t.TempDir()
		err := os.CopyFS(to, os.DirFS(dir))
		if err == nil {
			return to
		}
		if left, _ := filepath.Match("*.journal.new", filepath.Base(missing(err))); !left {
			t.Fatal(err)
		}
	}
}

// missing is the path that was not found; "" if the error is another one.
func missing(err error) string {
	var of *fs.PathError
	if errors.Is(err, fs.ErrNotExist) && errors.As(err, &of) {
		return of.Path
	}
	return ""
}

// A write that fails does not let go of the record that made its database.
func TestFailedWriteToNewDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, neverFlush)
	db := made(t, e, "new")
	if err := e.WriteInVain("new"); err == nil {
		t.Fatal("the write did not fail")
	}
	put(t, made(t, e, "other"), "a", "1")
	if err := e.FlushOne("other"); err != nil { // notes how far the files are
		t.Fatal(err)
	}
	put(t, db, "a", "1")
	again, err := open(t, killedCopy(t, dir), neverFlush).Open(t.Context(), "new")
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, again); got["a"] != "1" {
		t.Errorf("after a kill: %v", got)
	}
}

// A database whose place a file has taken, just before a kill, does not come back when that one is dropped.
func TestReplacedThenDropped(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	put(t, made(t, open(t, dir, neverFlush), "db"), "old", "1")
	other := open(t, elsewhere, neverFlush)
	put(t, made(t, other, "db"), "new", "1")
	if err := other.FlushOne("db"); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(elsewhere, "db.bolt"))
	if err != nil {
		t.Fatal(err)
	}
	dir = killedCopy(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "db.bolt"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	without := neverFlush
	without.Direct = true // the journal goes, and there is nothing to be told of a drop
	if err := open(t, killedCopy(t, dir), without).Drop(t.Context(), "db"); err != nil {
		t.Error(err)
	}
	if err := open(t, dir, neverFlush).Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if names, err := open(t, killedCopy(t, dir), neverFlush).List(t.Context(), "", -1); err != nil || len(names) > 0 {
		t.Errorf("after the drop and a kill: %v, %v", names, err)
	}
}

// A flush whose last sync fails may have taken place all the same: what was written since is not given up.
func TestFlushOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(*bolt.Engine) error{
		"opened":  func(*bolt.Engine) error { return nil },
		"flushed": func(e *bolt.Engine) error { return e.FlushOne("db") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t, t.TempDir(), neverFlush)
			db := made(t, e, "db")
			put(t, db, "a", "1")
			if err := e.FlushOne("db"); err != nil {
				t.Fatal(err)
			}
			put(t, db, "b", "1")
			if err := e.FlushUnknown("db"); err != nil {
				t.Fatal(err)
			}
			put(t, db, "c", "1")
			if err := errors.Join(db.Close(), again(e)); err != nil {
				t.Fatal(err)
			}
			db, err := e.Open(t.Context(), "db")
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, db); len(got) != 3 {
				t.Errorf("it has %v", got)
			}
		})
	}
}

// What is acknowledged while an engine closes is there when it is opened again.
func TestWrittenDuringClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, err := bolt.Open(dir, neverFlush)
	if err != nil {
		t.Fatal(err)
	}
	const databases = 12
	reading, read := make(chan bool), make(chan bool)
	var all []engine.DB
	for i := range databases {
		all = append(all, made(t, e, fmt.Sprintf("db%d", i)))
	}
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	go all[0].View(t.Context(), func(engine.Reader) error {
		reading <- true
		<-read
		return nil
	})
	<-reading
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	// The reader keeps the engine from closing all; the others are closed before that one, or after it.
	for all[0].View(t.Context(), func(engine.Reader) error { return nil }) == nil {
		time.Sleep(time.Millisecond)
	}
	acknowledged := map[string]bool{}
	for i, db := range all[1:] {
		if db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte("k"), []byte("v")) }) == nil {
			acknowledged[fmt.Sprintf("db%d", 1+i)] = true
		}
		if len(acknowledged) == 1 {
			break
		}
	}
	close(read)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	e = open(t, dir, neverFlush)
	for name := range acknowledged {
		db, err := e.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db); got["k"] != "v" {
			t.Errorf("%s has %v", name, got)
		}
	}
}

// What is written to a file that was put in the place of one in use is there after a kill.
func TestWrittenToPutBackFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "db.bolt")
	e := open(t, dir, neverFlush)
	made(t, e, "other")
	db := made(t, e, "db")
	put(t, db, "a", "1")
	flush(t, e)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "b", "1")
	if err := errors.Join(os.WriteFile(path+".copy", image, 0o600), os.Rename(path+".copy", path)); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(engine.Tx) error { return nil }); !errors.Is(err, engine.ErrForeign) {
		t.Fatalf("the file that is gone: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	put(t, db, "c", "1")
	if err := e.Drop(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	put(t, db, "d", "1")
	again, err := open(t, killedCopy(t, dir), neverFlush).Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, again); got["a"] != "1" || got["c"] != "1" || got["d"] != "1" {
		t.Errorf("after a kill: %v", got)
	}
}

// The memory that small transactions take until they are in the file is about what is counted.
func TestMemoryOfSmallTransactions(t *testing.T) { // not parallel: others would take memory too
	e := open(t, t.TempDir(), neverFlush)
	db := made(t, e, "db")
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range 5000 {
		put(t, db, fmt.Sprint(i), "a value")
	}
	taken, counted := heap()-before, e.Figures().Unflushed
	if taken > 3*counted/2 {
		t.Errorf("%d bytes are taken, %d are counted", taken, counted)
	}
}

// A drop that fails leaves the database as it was. If its file has just been made, the name of that is made durable: the journal
// says by then that the database is gone if it has no file.
func TestDropOfNewFileFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "db.bolt")
	opt := neverFlush
	asked := 0
	opt.Kept = func() bool { // asked last when the file is about to be removed, which it cannot be
		if asked--; asked != 0 {
			return false
		}
		if err := errors.Join(os.Rename(path, path+".away"), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
			t.Error(err)
		}
		return false
	}
	for _, closed := range []bool{false, true} {
		e := open(t, dir, opt)
		asked = 2
		db := made(t, e, "db")
		put(t, db, "a", "1")
		if err := e.FlushUnnamed("db"); err != nil {
			t.Fatal(err)
		}
		if closed {
			asked = 1
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Drop(t.Context(), "db"); err == nil {
			t.Fatal("it was dropped")
		}
		if err := errors.Join(db.Close(), os.RemoveAll(path), os.Rename(path+".away", path)); err != nil {
			t.Fatal(err)
		}
		if n := e.Figures().Databases; n > 0 {
			t.Errorf("the journal is still needed for %d databases", n)
		}
		if db, err := e.Open(t.Context(), "db"); err != nil {
			t.Error(err)
		} else if got := contents(t, db); got["a"] != "1" || db.Close() != nil {
			t.Errorf("it has %v", got)
		}
		if err := errors.Join(e.Close(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
}

// While a database is being dropped, the journal has what its file lacks: a power cut may bring the file back.
func TestReleaseWaitsForDrop(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), neverFlush)
	db := made(t, e, "db")
	for range 40 {
		put(t, db, "a", fmt.Sprintf("%01000d", 1))
	}
	if before, then := e.ReleaseWhileDropping("db"); before != then {
		t.Errorf("the journal began at %d, and begins at %d", before, then)
	}
}
