package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tododb/tododb/store/disk"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// What is kept free for a flush is enough for it, whatever lies above the file and in it. Where hardly anything does, an
// entry that happens to be small may lie in a page with a few large ones: the margin is for those.
func TestGrowthIsEnough(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		opt := neverFlush
		opt.NoSync, opt.DirectBytes, opt.FlushBytes, opt.UnflushedBytes, opt.JournalBytes = true, 1<<30, 1<<30, 1<<30, 1<<30
		if rapid.Bool().Draw(rt, "packed") {
			opt.AppendOnly = []engine.Space{space}
		}
		e, err := bolt.Open(dir, opt)
		if err != nil {
			rt.Fatal(err)
		}
		defer e.Close()
		db, err := e.Create(rt.Context(), "db")
		if err != nil {
			rt.Fatal(err)
		}
		defer db.Close()
		path := filepath.Join(dir, "db.bolt")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		sizes := []int{0, 20, 200, 1000, 3000, 5000, 20_000}
		mean := sizes[rapid.IntRange(0, len(sizes)-1).Draw(rt, "mean")]
		keys := rapid.SampledFrom([]int{10, 300, 5000}).Draw(rt, "keys")
		for flush := range rapid.IntRange(1, 6).Draw(rt, "flushes") {
			before := pagesOf(path)
			for range rapid.IntRange(1, 30).Draw(rt, "transactions") {
				err := db.Update(rt.Context(), func(tx engine.Tx) error {
					for range 1 + random.IntN(20) {
						s, k := space+engine.Space(random.IntN(3)), fmt.Appendf(nil, "%08d", random.IntN(keys))
						var err error
						if random.IntN(4) == 0 {
							err = tx.Delete(s, k)
						} else {
							err = tx.Put(s, k, make([]byte, random.IntN(2*mean+1)))
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					rt.Fatal(err)
				}
			}
			needed := e.Needed()
			if err := e.FlushOne("db"); err != nil {
				rt.Fatal(err)
			}
			beside := int64(3 * 2 * mean) // bbolt has two entries in a page at the least, and may have put a third there
			if grown := pagesOf(path) - before; grown > needed+beside {
				rt.Fatalf("flush %d: the file was to grow by %d bytes at the most, or %d more, and grew by %d", flush, needed, beside, grown)
			}
			if n := e.Needed(); n != 0 {
				rt.Fatalf("everything is in the file, and %d bytes are needed", n)
			}
		}
	})
}

// It is enough too where keys are gathered: while there is little room, large entries do not have many small ones brought to
// their places.
func TestGrowthIsEnoughWhereKeysAreGathered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opt := neverFlush
	opt.DirectBytes, opt.FlushBytes, opt.UnflushedBytes, opt.SegmentBytes = 1<<30, 1<<30, 1<<30, 0
	opt.Scattered, opt.GatherFrom, opt.GatherBytes, opt.GatherAfter = space, 100, 1_000_000, time.Hour
	e := open(t, dir, opt)
	db := made(t, e, "db")
	random, want := rand.New(rand.NewPCG(1, 2)), map[string]string{}
	write := func(n, size int) {
		t.Helper()
		err := db.Update(t.Context(), func(tx engine.Tx) error {
			for range n {
				k, v := fmt.Sprintf("%016x", random.Uint64()), strings.Repeat("x", size)
				if err := tx.Put(space, []byte(k), []byte(v)); err != nil {
					return err
				}
				want[k] = v
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	flush := func() {
		t.Helper()
		if err := e.FlushOne("db"); err != nil {
			t.Fatal(err)
		}
	}
	for range 16 {
		write(5000, 100)
	}
	flush()
	for range 16 {
		write(320, 100)
		flush()
	}
	if n := e.Figures().Gathered; n < 900_000 {
		t.Fatalf("%d bytes are gathered", n)
	}
	write(160, 4000)
	e.DiskIs(func(string) (disk.Space, error) { return disk.Space{Used: 1 << 40, Free: 17 << 20}, nil })
	path := filepath.Join(dir, "db.bolt")
	needed, before := e.Needed(), pagesOf(path)
	flush()
	if grown := pagesOf(path) - before; grown > needed {
		t.Errorf("the file was to grow by %d bytes at the most, and grew by %d", needed, grown)
	}
	if got := contents(t, db); !maps.Equal(got, want) {
		t.Errorf("it has %d entries that are not the %d there should be", len(got), len(want))
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// pagesOf is how much the pages of a file take, 0 if there is none.
func pagesOf(path string) int64 {
	end, _ := bolt.PagesEnd(path)
	return end
}

// What the journal had of a database that is dropped, or replaced, is not counted any more.
func TestNothingIsNeededForWhatIsGone(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), neverFlush)
	for _, flushed := range []bool{false, true} {
		db := made(t, e, "db")
		put(t, db, "a", "1")
		if flushed {
			if err := e.FlushOne("db"); err != nil {
				t.Fatal(err)
			}
			put(t, db, "b", "2")
		}
		if e.Needed() == 0 || e.Figures().Unflushed == 0 {
			t.Fatal("there is something in the journal, and nothing is needed")
		}
		if err := errors.Join(db.Close(), e.Drop(t.Context(), "db")); err != nil {
			t.Fatal(err)
		}
		if n, now := e.Needed(), e.Figures(); n != 0 || now.Unflushed != 0 {
			t.Errorf("flushed %v: it is dropped, and %d bytes are needed, %+v", flushed, n, now)
		}
	}
}

// Nothing is kept free for a file that is damaged, since nothing more comes there until another one is in its place.
func TestNothingIsNeededForWhatIsDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, neverFlush)
	db, other := made(t, e, "db"), made(t, e, "other")
	for i := range 1000 {
		put(t, db, fmt.Sprintf("%04d", i), strings.Repeat("x", 1000))
	}
	if err := errors.Join(e.FlushOne("db"), e.FlushOne("other")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "db.bolt")
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		put(t, db, fmt.Sprintf("%04d", i), strings.Repeat("y", 1000))
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, len(was)-2*pageSize), 2*pageSize)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if e.FlushOne("db") == nil {
		t.Fatal("it got there")
	}
	e.SetBrokenApart()
	if n, now := e.Needed(), e.Figures(); n != 0 || now.Unflushed != 0 {
		t.Errorf("%d bytes are needed, %+v", n, now)
	}
	e.DiskIs(func(string) (disk.Space, error) { return disk.Space{Used: 1 << 40, Free: 16<<20 + 2<<20}, nil })
	err = other.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte("k"), make([]byte, 1<<20)) })
	if err != nil {
		t.Errorf("there is room: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	bringBack(t, path, was)
	if db, err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if e.Needed() == 0 {
		t.Error("it is to get what was set apart, and nothing is needed")
	}
	if got := contents(t, db); len(got) != 1000 || got["0001"][0] != 'y' {
		t.Errorf("it has %d entries", len(got))
	}
	if err := errors.Join(e.FlushOne("db"), db.Close(), other.Close()); err != nil {
		t.Error(err)
	}
	if n, now := e.Needed(), e.Figures(); n != 0 || now.Unflushed != 0 {
		t.Errorf("all is in the files, and %d bytes are needed, %+v", n, now)
	}
}

// A system that says that there is no room where there is some, or nothing at all, refuses nothing.
func TestSystemThatDoesNotKnowTheDisk(t *testing.T) {
	t.Parallel()
	for what, of := range map[string]func(string) (disk.Space, error){
		"no room":   func(string) (disk.Space, error) { return disk.Space{Used: 1 << 40}, nil },
		"no disk":   func(string) (disk.Space, error) { return disk.Space{}, nil },
		"no answer": func(string) (disk.Space, error) { return disk.Space{}, errors.ErrUnsupported },
	} {
		t.Run(what, func(t *testing.T) {
			e := open(t, t.TempDir(), bolt.Options{NoSync: true})
			e.DiskIs(of)
			db := made(t, e, "db")
			for i := range 200 {
				put(t, db, fmt.Sprint(i), strings.Repeat("x", 2000))
			}
			made(t, e, "another")
			for i := range 20 { // by now it is not believed any more
				put(t, db, fmt.Sprint(i), "y")
			}
			if e.Figures().Unflushed == 0 {
				t.Error("what is written does not stand in the journal")
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Where there is little room, what is written goes to the file at once; where there is none but what is kept, only
// what makes room is written. It is asked before somebody is refused, so he is not when there is room again.
func TestRoomThatIsKept(t *testing.T) {
	t.Parallel()
	for _, direct := range []bool{false, true} {
		free := uint64(1 << 40)
		e := open(t, t.TempDir(), bolt.Options{NoSync: true, Direct: direct})
		has := func(n uint64) {
			e.DiskIs(func(string) (disk.Space, error) { return disk.Space{Used: 1 << 40, Free: n}, nil })
		}
		has(free)
		db := made(t, e, "db")
		other := made(t, e, "other")
		put(t, db, "a", "1")
		put(t, other, "a", "1")
		update := func(reserve bool, k string, size int) error {
			ctx := t.Context()
			if reserve {
				ctx = engine.UseReserve(ctx)
			}
			return db.Update(ctx, func(tx engine.Tx) error { return tx.Put(space, []byte(k), make([]byte, size)) })
		}
		const margin = 16 << 20
		has(margin + 1<<20)
		if err := update(false, "small", 1000); err != nil {
			t.Errorf("direct %v: there is some room: %v", direct, err)
		}
		if err := update(false, "large", 2<<20); !errors.Is(err, engine.ErrFull) {
			t.Errorf("direct %v: more than there is: %v", direct, err)
		}
		if n := e.Needed(); n > 100_000 { // what stands above others goes to their files first
			t.Errorf("direct %v: somebody was refused, and %d bytes are kept for others", direct, n)
		}
		has(margin - 1)
		var full error
		for i := 0; full == nil && i < 100; i++ { // the file has some free pages
			full = update(false, fmt.Sprint(i), 3000)
		}
		if !errors.Is(full, engine.ErrFull) {
			t.Errorf("direct %v: what is kept was taken: %v", direct, full)
		}
		if _, err := e.Create(t.Context(), "more"); !errors.Is(err, engine.ErrFull) {
			t.Errorf("direct %v: a database takes what is kept: %v", direct, err)
		}
		if err := update(true, "reserve", 100_000); err != nil {
			t.Errorf("direct %v: what makes room: %v", direct, err)
		}
		if err := update(true, "reserve", margin/8*7); !errors.Is(err, engine.ErrFull) {
			t.Errorf("direct %v: to make room, the last quarter was taken: %v", direct, err)
		}
		has(free)
		if err := update(false, "large", 2<<20); err != nil {
			t.Errorf("direct %v: there is room again: %v", direct, err)
		}
		if err := errors.Join(db.Close(), other.Close()); err != nil {
			t.Error(err)
		}
	}
}

// A writer who needs room brings what others have to their files. Those that nobody has open are forgotten then, as
// after any flush: who removes such a file may make the database again.
func TestSettledDatabasesAreForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, neverFlush)
	for _, name := range []string{"a", "b"} {
		db := made(t, e, name)
		put(t, db, "k", "v")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	writer := made(t, e, "writer")
	e.DiskIs(func(string) (disk.Space, error) { return disk.Space{Used: 1 << 40, Free: 16<<20 + 1<<20}, nil })
	err := writer.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte("k"), make([]byte, 700_000)) })
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); e.Known() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d databases are known, and one is open", e.Known())
		}
	}
	if err := os.Remove(filepath.Join(dir, "a.bolt")); err != nil {
		t.Fatal(err)
	}
	if err := made(t, e, "a").Close(); err != nil {
		t.Error(err)
	}
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
}

// What a new file needs is little, also while nobody has it open and something is still above it.
func TestNewFileNeedsLittle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, neverFlush)
	db := made(t, e, "db")
	put(t, db, "a", "1")
	inTheWay := filepath.Join(dir, "db.bolt.new")
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if e.FlushOne("db") == nil {
		t.Fatal("the file could be made")
	}
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	put(t, db, "b", "2")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	e.SettleAll() // what failed, and not what came since
	if n := e.Needed(); n <= 0 || n > 1<<20 {
		t.Errorf("%d bytes are needed", n)
	}
	if err := e.Flush(t.Context()); err != nil || e.Needed() != 0 {
		t.Errorf("everything is in the file, and %d bytes are needed, %v", e.Needed(), err)
	}
}

// A system that once said that there is nothing where there was something is asked again, and believed if it
// knows of something.
func TestSystemKnowsTheDiskAgain(t *testing.T) {
	t.Parallel()
	e := open(t, t.TempDir(), bolt.Options{NoSync: true})
	has := func(n uint64) {
		e.DiskIs(func(string) (disk.Space, error) { return disk.Space{Used: 1 << 40, Free: n}, nil })
	}
	db := made(t, e, "db")
	write := func(size int) error {
		return db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte("k"), make([]byte, size)) })
	}
	has(0)
	if err := write(300_000); err != nil { // somebody makes room meanwhile
		t.Fatal(err)
	}
	has(16<<20 - 1)
	if err := write(3 << 20); !errors.Is(err, engine.ErrFull) {
		t.Errorf("what is kept was taken: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// Close does not wait until a writer has waited for others long enough.
func TestCloseEndsTheWaitForRoom(t *testing.T) {
	t.Parallel()
	e, err := bolt.Open(t.TempDir(), neverFlush)
	if err != nil {
		t.Fatal(err)
	}
	e.Patience(time.Hour)
	busy, db := made(t, e, "busy"), made(t, e, "db")
	put(t, busy, "k", "v")
	begun, end, ended := make(chan bool), make(chan bool), make(chan error, 3)
	go func() {
		ended <- busy.Update(context.Background(), func(tx engine.Tx) error { close(begun); <-end; return nil })
	}()
	<-begun
	asked := make(chan bool, 1)
	e.DiskIs(func(string) (disk.Space, error) {
		select {
		case asked <- true:
		default:
		}
		return disk.Space{Used: 1 << 40, Free: 16<<20 + 100_000}, nil
	})
	<-asked
	waited := make(chan error, 1)
	go func() {
		waited <- db.Update(context.Background(), func(tx engine.Tx) error { return tx.Put(space, []byte("k"), make([]byte, 600_000)) })
	}()
	<-asked
	go func() { ended <- e.Close() }()
	select {
	case err := <-waited:
		if !errors.Is(err, engine.ErrFull) {
			t.Errorf("the writer: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the writer still waits")
	}
	close(end)
	for range 2 {
		if err := <-ended; err != nil && !errors.Is(err, engine.ErrClosed) {
			t.Error(err)
		}
	}
}

// Writers who need room do not each have everything flushed at the same time, nor leave that behind when they are refused.
func TestWritersSettleTogether(t *testing.T) {
	e := open(t, t.TempDir(), neverFlush)
	e.Patience(time.Millisecond)
	for i := range 600 {
		db := made(t, e, fmt.Sprint("db", i))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db := made(t, e, "writer")
	e.DiskIs(func(string) (disk.Space, error) { return disk.Space{Used: 1 << 40, Free: 16<<20 + 100_000}, nil })
	before, most := runtime.NumGoroutine(), 0
	for i := range 40 {
		_ = db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, fmt.Append(nil, i), make([]byte, 500_000)) })
		most = max(most, runtime.NumGoroutine()-before)
	}
	if most > 10 {
		t.Errorf("%d goroutines for one writer", most)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
