package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// A crash finds a drop at any point: the database is as it was, or gone. It never is as it was some time ago.
func TestDropCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var before string
	opt := neverFlush
	opt.Kept = func() bool { before = killedCopy(t, dir); return false } // asked when nothing has been removed yet
	e := open(t, dir, opt)
	made(t, e, "other") // keeps the record in the journal that made the first one
	db := made(t, e, "db")
	put(t, db, "a", "1")
	if err := e.FlushOne("db"); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(dir, "db.bolt"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "a", "2")
	if err := e.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	removed := killedCopy(t, before)
	if err := os.Remove(filepath.Join(removed, "db.bolt")); err != nil {
		t.Fatal(err)
	}
	for what, dir := range map[string]string{"removed": removed, "done": killedCopy(t, dir)} {
		e := open(t, dir, neverFlush)
		if names, err := e.List(t.Context(), "", -1); err != nil || len(names) != 1 {
			t.Errorf("%s: there are %v, %v", what, names, err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "db.bolt"), image, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := open(t, dir, neverFlush).Open(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db); got["a"] != "1" {
			t.Errorf("%s: what was put back later has %v", what, got)
		}
	}
	for range 2 { // starts
		e := open(t, before, neverFlush)
		db, err := e.Open(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db); got["a"] != "2" {
			t.Errorf("not removed: it has %v", got)
		}
		put(t, db, "b", "1")
		before = killedCopy(t, before)
	}
	db, err = open(t, before, neverFlush).Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, db); got["a"] != "2" || got["b"] != "1" {
		t.Errorf("not removed, and written to: it has %v", got)
	}
}

// A database that cannot be replaced has all that was written to it.
func TestReplaceFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, neverFlush)
	db := made(t, e, "db")
	if err := e.FlushOne("db"); err != nil {
		t.Fatal(err)
	}
	e.FailRename()
	wrote, begun := -1, make(chan struct{}) // the last that was acknowledged
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 0; ; n++ {
			err := db.Update(t.Context(), func(tx engine.Tx) error {
				return tx.Put(space, fmt.Append(nil, n), []byte("x"))
			})
			if err != nil {
				if n == 0 {
					close(begun)
				}
				return
			}
			if wrote = n; n == 0 {
				close(begun)
			}
		}
	})
	<-begun
	a, err := e.Aside(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Replace(t.Context()); err == nil {
		t.Fatal("it was replaced")
	}
	writer.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	killed := killedCopy(t, dir)
	for what, e := range map[string]*bolt.Engine{"open": e, "after a kill": open(t, killed, neverFlush)} {
		db, err := e.Open(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db); len(got) != wrote+1 {
			t.Errorf("%s: of %d entries there are %d", what, wrote+1, len(got))
		}
	}
}

// A damaged file does not keep the journal long. What only the journal had is there again when the file is.
func TestDamagedDoesNotPin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := bolt.Options{NoSync: true, FlushAfter: 50 * time.Millisecond, JournalBytes: 50_000, SegmentBytes: 8 << 10, LockTimeout: 10 * time.Second}
	e := open(t, dir, opt)
	bad, path := made(t, e, "a/b"), filepath.Join(dir, "a.b.bolt")
	put(t, bad, "k", "old")
	if err := e.FlushOne("a/b"); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	damage := func(e *bolt.Engine, path string, db engine.DB) { // while it is in use
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, len(image)-2*os.Getpagesize()), int64(2*os.Getpagesize()))
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		met := false
		for end := want + 100; want < end && !met; { // until it is found out
			err := db.Update(t.Context(), func(tx engine.Tx) error {
				return tx.Put(space, fmt.Append(nil, want), []byte("new"))
			})
			if met = err != nil; !met { // the flusher has
				want++
			}
		}
		if err := e.FlushOne("a/b"); want > 0 && !met && err == nil {
			t.Fatal("nobody met the damage")
		}
	}
	damage(e, path, bad)
	good := made(t, e, "good")
	for n := 0; n < 300; n++ {
		put(t, good, "k", strings.Repeat("x", 1000))
	}
	for end := time.Now().Add(time.Minute); e.Figures().Journal > 2*opt.JournalBytes; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the journal has %d bytes", e.Figures().Journal)
		}
	}
	same := func(what string, e *bolt.Engine) {
		t.Helper()
		db, err := e.Open(t.Context(), "a/b")
		for end := time.Now().Add(time.Minute); errors.Is(err, engine.ErrUnavailable) && time.Now().Before(end); { // the flusher is at it
			time.Sleep(time.Millisecond)
			db, err = e.Open(t.Context(), "a/b")
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := contents(t, db); len(got) != want+1 || got["k"] != "old" {
			t.Errorf("%s: of %d entries it has %d", what, want+1, len(got))
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	repair := func(dir string) {
		t.Helper()
		path := filepath.Join(dir, "a.b.bolt")
		if err := errors.Join(os.Remove(path), os.WriteFile(path, image, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(bad.Close(), good.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	killed := killedCopy(t, dir)
	again := open(t, killed, opt)
	if _, err := again.Open(t.Context(), "a/b"); !errors.Is(err, engine.ErrForeign) {
		t.Errorf("opening it: %v", err)
	}
	repair(killed)
	same("repaired while it runs", again)
	if err := again.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(killed, "a.b.bolt"+bolt.AheadSuffix)); !os.IsNotExist(err) {
		t.Errorf("the file of what was set apart: %v", err)
	}
	stopped := killedCopy(t, dir)
	repair(stopped)
	for range 2 {
		e := open(t, stopped, opt)
		same("repaired after a stop", e)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	dropped := killedCopy(t, dir)
	if err := open(t, dropped, opt).Drop(t.Context(), "a/b"); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(dropped, "a.b*")); err != nil || len(left) > 0 {
		t.Errorf("after a drop there are %v, %v", left, err)
	}
	// And once more where it was found out, with nothing set apart before.
	path = filepath.Join(stopped, "a.b.bolt")
	if image, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	e = open(t, stopped, opt)
	if bad, err = e.Open(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	damage(e, path, bad)
	repair(stopped)
	if err := bad.Close(); err != nil {
		t.Error(err)
	}
	same("repaired where it was found out", e)
}

// A stop does not take long. What has not come to the files by then is in the journal.
func TestCloseLeavesTheRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := neverFlush
	opt.CloseWithin = time.Nanosecond
	e := open(t, dir, opt)
	for i := range 20 {
		put(t, made(t, e, fmt.Sprint("db", i)), "a", "1")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*.bolt")); err != nil || len(files) > 0 {
		t.Errorf("there are files already: %v, %v", files, err)
	}
	e = open(t, dir, neverFlush)
	for i := range 20 {
		db, err := e.Open(t.Context(), fmt.Sprint("db", i))
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db); got["a"] != "1" {
			t.Errorf("it has %v", got)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*.bolt")); err != nil || len(files) != 20 {
		t.Errorf("there are the files %v, %v", files, err)
	}
}

// As long as the name of a new file may not be on disk, the journal has the database.
func TestNameNotOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := neverFlush
	opt.SegmentBytes = 200
	e := open(t, dir, opt)
	db := made(t, e, "db")
	put(t, db, "a", "1")
	if err := e.FlushUnnamed("db"); err != nil {
		t.Fatal(err)
	}
	put(t, made(t, e, "other"), "a", strings.Repeat("x", 1000))
	if err := e.FlushOne("other"); err != nil {
		t.Fatal(err)
	}
	put(t, db, "b", "1")
	cut := killedCopy(t, dir)
	if err := os.Remove(filepath.Join(cut, "db.bolt")); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, cut, neverFlush).Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, again); len(got) != 2 {
		t.Errorf("after a power cut it has %v", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := e.Figures().Databases; n > 0 {
		t.Errorf("the journal is still needed for %d databases", n)
	}
}

// The memory of what stands only in the journal is bounded over all databases, though each has little of it.
func TestUnflushedIsBounded(t *testing.T) {
	t.Parallel()
	opt := neverFlush
	opt.UnflushedBytes = 20_000
	e := open(t, t.TempDir(), opt)
	for i := range 40 {
		db := made(t, e, fmt.Sprint("db", i))
		for k := range 10 {
			put(t, db, fmt.Sprint(k), strings.Repeat("x", 200))
		}
	}
	for end := time.Now().Add(time.Minute); e.Figures().Unflushed > opt.UnflushedBytes; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes of memory are taken", e.Figures().Unflushed)
		}
	}
}

// On a disk that is nearly full nothing waits for its time: as long as the journal is needed it takes room, also when
// a compaction has made the files small.
func TestNearlyFullDiskIsFlushed(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	opt := neverFlush
	opt.FlushAfter = 24 * time.Second // it is looked at eight times as often
	opt.NearlyFull = full.Load
	e := open(t, t.TempDir(), opt)
	for i := range 3 {
		put(t, made(t, e, fmt.Sprint("db", i)), "k", strings.Repeat("x", 200))
	}
	begun := time.Now()
	if e.Figures().Unflushed == 0 {
		t.Fatal("all of it is in the files already")
	}
	full.Store(true)
	for e.Figures().Unflushed > 0 {
		if time.Since(begun) > opt.FlushAfter*3/4 {
			t.Fatalf("%d bytes stand only in the journal", e.Figures().Unflushed)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
