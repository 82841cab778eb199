package bolt_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// On a full disk neither the journal nor the files of databases get anything more: writes fail with ErrFull, large and small ones,
// and everything can be read, also after a stop and a start. When there is room everything goes on by itself.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "3m")
	var e *bolt.Engine
	t.Cleanup(func() {
		if e != nil {
			e.Close() // or nothing can be unmounted
		}
	})
	dir, ballast := filepath.Join(disk, "data"), filepath.Join(disk, "ballast")
	opt := bolt.Options{FlushBytes: 20_000, JournalBytes: 200_000, SegmentBytes: 50_000, DirectBytes: 20_000, FlushAfter: 20 * time.Millisecond}
	const databases = 6
	dbs := make([]engine.DB, databases)
	want := make([]map[string]string, databases)
	start := func() {
		t.Helper()
		var err error
		if e, err = bolt.Open(dir, opt); err != nil {
			t.Fatal(err)
		}
		for i := range dbs {
			name := fmt.Sprint("db", i)
			if want[i] != nil {
				dbs[i], err = e.Open(t.Context(), name)
			} else {
				want[i] = map[string]string{}
				dbs[i], err = e.Create(t.Context(), name)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(n, size int) error {
		i := n % databases
		k, v := fmt.Sprintf("%06d", n), strings.Repeat(fmt.Sprint(n, " "), size/6)
		err := dbs[i].Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte(k), []byte(v)) })
		if err == nil {
			want[i][k] = v
		}
		return err
	}
	same := func(when string) {
		t.Helper()
		for i, db := range dbs {
			if got := contents(t, db); !maps.Equal(got, want[i]) {
				t.Fatalf("%s: database %d has %d entries that are not the %d there should be", when, i, len(got), len(want[i]))
			}
		}
	}
	start()
	n := 0
	for range 60 {
		if err := write(n, 300); err != nil {
			t.Fatal(err)
		}
		n++
	}
	for round := range 3 {
		fillUp(t, ballast)
		refused := map[string]bool{}
		for end := time.Now().Add(time.Minute); len(refused) < 3; n++ {
			for size, kind := range map[int]string{30: "tiny", 3000: "small", 60_000: "large"} {
				if err := write(n*3+len(kind), size); errors.Is(err, engine.ErrFull) {
					refused[kind] = true
				} else if err != nil {
					t.Fatalf("a %s write on a full disk: %v", kind, err)
				}
			}
			if time.Now().After(end) {
				t.Fatalf("of the writes on a full disk only some are refused: %v", refused)
			}
		}
		same("full")
		if _, err := e.Create(t.Context(), "more", engine.Entry{SpaceKey: engine.SpaceKey{Space: space, Key: []byte("k")}, Value: make([]byte, 10_000)}); !errors.Is(err, engine.ErrFull) {
			t.Errorf("a database on a full disk: %v", err)
		}
		if round > 0 { // a stop and a start while it is full
			for _, db := range dbs {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				t.Logf("closed on a full disk: %v", err)
			}
			start()
			same("full, and opened again")
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		for size, kind := range map[int]string{30: "tiny", 3000: "small", 60_000: "large"} {
			for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
				n++
				err := write(n*3+len(kind), size)
				if err == nil {
					break
				}
				if !errors.Is(err, engine.ErrFull) || time.Now().After(end) {
					t.Fatalf("there is room, and a %s write fails: %v", kind, err)
				}
			}
		}
		same("room again")
		if err := e.Flush(t.Context()); err != nil {
			t.Errorf("there is room, and the files do not get what the journal has: %v", err)
		}
		for i := range dbs { // room for the next round
			err := dbs[i].Update(t.Context(), func(tx engine.Tx) error { return tx.DeleteRange(space, []byte("000050"), nil) })
			if err != nil {
				t.Fatal(err)
			}
			maps.DeleteFunc(want[i], func(k, _ string) bool { return k >= "000050" })
		}
	}
	same("at the end")
	for _, db := range dbs {
		if err := db.(engine.Checker).CheckStorage(t.Context(), func(p string) { t.Error(p) }); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// A database can be dropped on a full disk, also if its file is kept. What did not fit into that is beside it.
func TestDropOnFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "3m")
	keep := true
	dir, ballast := filepath.Join(disk, "data"), filepath.Join(disk, "ballast")
	e, err := bolt.Open(dir, bolt.Options{FlushAfter: time.Hour, Kept: func() bool { return keep }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	names := []string{"beside", "lacking", "virtual", "gone"}
	for _, name := range names {
		db := made(t, e, name)
		if name != "virtual" {
			if err := e.FlushOne(name); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			put(t, db, fmt.Sprint("k", i), strings.Repeat("x", 3000))
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fillUp(t, ballast)
	f, err := os.OpenFile(ballast, os.O_WRONLY, 0)
	if err == nil { // not enough for a page of each entry, but for the records
		info, _ := f.Stat()
		err = errors.Join(f.Truncate(info.Size()-68<<10), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		keep = name != "gone"
		if err := e.Drop(t.Context(), name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "beside" {
			fillUp(t, ballast+"2")
		}
	}
	if left, err := e.List(t.Context(), "", -1); err != nil || len(left) > 0 {
		t.Errorf("there are %v, %v", left, err)
	}
	if err := errors.Join(os.Remove(ballast), os.Remove(ballast+"2")); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "beside.*"+bolt.KeptSuffix))
	if err != nil || len(kept) != 1 {
		t.Fatalf("there are %v, %v", kept, err)
	}
	back := filepath.Join(dir, "beside.bolt")
	if err := errors.Join(os.Rename(kept[0], back), os.Rename(kept[0]+bolt.AheadSuffix, back+bolt.AheadSuffix)); err != nil {
		t.Fatal(err)
	}
	db, err := e.Open(t.Context(), "beside")
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, db); len(got) != 20 {
		t.Errorf("what was kept has %d entries", len(got))
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// A drop that fails, or that a crash cuts short, leaves the database as it was, also if what did not fit into the file that is
// kept stands beside it.
func TestKeepingFailsOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "3m")
	dir, ballast := filepath.Join(disk, "data"), filepath.Join(disk, "ballast")
	e, err := bolt.Open(dir, bolt.Options{FlushAfter: time.Hour, CloseWithin: 1, Kept: func() bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	db := made(t, e, "db")
	if err := e.FlushOne("db"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		put(t, db, fmt.Sprint("k", i), strings.Repeat("x", 3000))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	fillUp(t, ballast)
	info, err := os.Stat(ballast)
	if err == nil { // not enough for a page of each entry, but for the records
		err = os.Truncate(ballast, info.Size()-68<<10)
	}
	if err != nil {
		t.Fatal(err)
	}
	e.FailRename()
	if err := e.Drop(t.Context(), "db"); err == nil {
		t.Fatal("it is dropped")
	}
	e.SetBrokenApart() // the journal lets go of what it does not need
	whole := func(what string, e *bolt.Engine) {
		t.Helper()
		db, err := e.Open(t.Context(), "db")
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := contents(t, db); len(got) != 20 {
			t.Errorf("%s: it has %d entries", what, len(got))
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	whole("it failed", e)
	whole("it failed, and a crash", open(t, killedCopy(t, dir), neverFlush))
	var copies []string
	e.OnRename(func() { copies = append(copies, killedCopy(t, dir)) })
	if err := e.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	whole("a crash before the file was renamed", open(t, copies[0], neverFlush))
	for _, dir := range []string{copies[1], killedCopy(t, dir)} {
		if _, err := open(t, dir, neverFlush).Open(t.Context(), "db"); !errors.Is(err, engine.ErrNoDB) {
			t.Errorf("it is dropped, and then: %v", err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "db.bolt*")); err != nil || len(left) > 0 {
			t.Errorf("it is dropped, and there are %v, %v", left, err)
		}
	}
}

// A disk that promises more than it has may say at the last sync of a commit that it is full. Then nobody knows whether that has
// taken place, and what is written afterwards is not lost.
func TestDiskFullAtTheLastSync(t *testing.T) {
	t.Parallel()
	for _, flushed := range []bool{false, true} {
		dir := t.TempDir()
		e := open(t, dir, neverFlush)
		db := made(t, e, "db")
		put(t, db, "first", "1")
		if err := e.FlushOne("db"); err != nil {
			t.Fatal(err)
		}
		put(t, db, "small", "1")
		e.FullAtLast(true)
		var err error
		if flushed {
			err = e.FlushOne("db")
		} else {
			err = db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte("large"), make([]byte, 10_000)) })
		}
		if !errors.Is(err, engine.ErrUnknown) {
			t.Errorf("flushed %v: %v", flushed, err)
		}
		e.FullAtLast(false)
		put(t, db, "after", "1")
		e.SetBrokenApart()
		now := contents(t, db)
		if now["first"] != "1" || now["small"] != "1" || now["after"] != "1" {
			t.Errorf("flushed %v: it has %d entries", flushed, len(now))
		}
		again, err := open(t, killedCopy(t, dir), neverFlush).Open(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, again); !maps.Equal(got, now) {
			t.Errorf("flushed %v: after a crash it has %q, and had %q", flushed, slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(now)))
		}
		if err := errors.Join(again.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// Many databases can be dropped on a full disk, also if that makes no room because their files are kept, and those that have
// no file yet. What the journal cannot say then is said later.
func TestManyDropsOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "6m")
	keep := true
	dir, ballast := filepath.Join(disk, "data"), filepath.Join(disk, "ballast")
	opt := neverFlush
	opt.Kept, opt.SegmentBytes = func() bool { return keep }, 0
	e, err := bolt.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { e.Close() }()
	const databases = 12
	put(t, made(t, e, "other"), "k", "v") // keeps all of the journal
	for i := range databases {
		name := fmt.Sprint("db", i)
		db := made(t, e, name)
		put(t, db, "k", "v")
		if i%3 > 0 {
			if err := e.FlushOne(name); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fillUp(t, ballast)
	if err := e.UseReserve(); !errors.Is(err, engine.ErrFull) {
		t.Fatal(err)
	}
	for i := range databases {
		keep = i%3 == 1
		if err := e.Drop(t.Context(), fmt.Sprint("db", i)); err != nil {
			t.Errorf("database %d: %v", i, err)
		}
		if _, err := e.Open(t.Context(), fmt.Sprint("db", i)); !errors.Is(err, engine.ErrNoDB) {
			t.Errorf("database %d, which was dropped: %v", i, err)
		}
		fillUp(t, fmt.Sprint(ballast, i)) // others take what that has freed
	}
	crashed := killedCopy(t, dir)
	for n := range databases {
		if err := os.Remove(fmt.Sprint(ballast, n)); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Error(err)
	}
	gone := func(what, dir string, e *bolt.Engine) {
		t.Helper()
		if left, err := e.List(t.Context(), "", -1); err != nil || len(left) != 1 {
			t.Errorf("%s: there are %v, %v", what, left, err)
		}
		if err := made(t, e, "db0").Close(); err != nil { // the debts are paid now
			t.Error(err)
		}
		if err := errors.Join(e.Drop(t.Context(), "db0"), e.Flush(t.Context())); err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "*.leaving")); err != nil || len(left) > 0 {
			t.Errorf("%s: there are still %v, %v", what, left, err)
		}
	}
	gone("room again", dir, e)
	gone("a crash", crashed, open(t, crashed, opt))
}

// On a disk that was full before there was a journal, there is none, and the databases can be used.
func TestNoRoomForAJournal(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "1m")
	dir := filepath.Join(disk, "data")
	e := open(t, dir, bolt.Options{Direct: true})
	db := made(t, e, "db")
	put(t, db, "a", "1")
	if err := errors.Join(db.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	if e, err := bolt.Open(dir, bolt.Options{AsItIs: true}); err != nil {
		t.Error(err)
	} else if _, err := os.Stat(filepath.Join(dir, "journal")); !os.IsNotExist(err) {
		t.Errorf("who only reads makes a journal: %v", err)
	} else if err := e.Close(); err != nil {
		t.Error(err)
	}
	ballast := filepath.Join(disk, "ballast")
	fillUp(t, ballast)
	if e, err := bolt.Open(dir, bolt.Options{}); err != nil {
		t.Error(err)
	} else {
		if db, err = e.Open(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, db); got["a"] != "1" {
			t.Errorf("it has %v", got)
		}
		if err := errors.Join(os.Remove(ballast), db.Close(), e.Drop(t.Context(), "db"), e.Close()); err != nil {
			t.Error(err)
		}
	}
}

// fillUp writes a file until there is no room left.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		_, err := f.Write(chunk)
		if errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A compaction that finds no room leaves nothing behind.
func TestCompactOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "3m")
	dir := filepath.Join(disk, "data")
	e, err := bolt.Open(dir, neverFlush)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	db := made(t, e, "db")
	put(t, db, "k", "v")
	if err := e.FlushOne("db"); err != nil {
		t.Fatal(err)
	}
	fillUp(t, filepath.Join(disk, "ballast"))
	if err := db.(engine.Compacter).Compact(t.Context()); !errors.Is(err, engine.ErrFull) {
		t.Errorf("compacted: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.new")); err != nil || len(left) > 0 {
		t.Errorf("it has left %q: %v", left, err)
	}
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
		t.Error(err)
	}
	if got := contents(t, db); got["k"] != "v" {
		t.Errorf("it has %q", got)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// A drop that a crash cuts short leaves the database as it was, or nothing of it, also where the journal has no room left to
// say that it was about to go.
func TestDropCutShortOnAFullDisk(t *testing.T) {
	t.Parallel()
	for what, name := range map[string]string{"a name": "db", "the longest name": longest} {
		t.Run(what, func(t *testing.T) { dropCutShort(t, name) })
	}
}

func dropCutShort(t *testing.T, name string) {
	disk := smallDisk(t, "3m")
	var e *bolt.Engine
	t.Cleanup(func() {
		if e != nil {
			e.Close() // or nothing can be unmounted
		}
	})
	dir := filepath.Join(disk, "data")
	opt := neverFlush
	var before string
	opt.Kept = func() bool { before = killedCopy(t, dir); return false } // asked when nothing has been removed yet
	var err error
	if e, err = bolt.Open(dir, opt); err != nil {
		t.Fatal(err)
	}
	made(t, e, "other") // keeps the record in the journal that made the next one
	db := made(t, e, name)
	put(t, db, "small", "1")
	put(t, db, "large", strings.Repeat("x", 50_000)) // only the file has it
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	fillUp(t, filepath.Join(disk, "ballast"))
	if err := e.UseReserve(); !errors.Is(err, engine.ErrFull) {
		t.Fatal(err)
	}
	if err := e.Drop(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	removed := killedCopy(t, before)
	if err := os.Remove(filepath.Join(removed, name+".bolt")); err != nil {
		t.Fatal(err)
	}
	for what, dir := range map[string]string{"removed": removed, "done": killedCopy(t, dir)} {
		for range 2 { // starts
			e := open(t, dir, neverFlush)
			if names, err := e.List(t.Context(), "", -1); err != nil || len(names) != 1 || names[0] != "other" {
				t.Errorf("%s: there are %v, %v", what, names, err)
			}
			if err := e.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			dir = killedCopy(t, dir)
		}
		if left, err := filepath.Glob(filepath.Join(dir, "d*.*")); err != nil || len(left) > 0 {
			t.Errorf("%s: there is still %v, %v", what, left, err)
		}
	}
	again, err := open(t, before, neverFlush).Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, again); len(got) != 2 {
		t.Errorf("not removed: it has %d entries", len(got))
	}
}
