package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// goodImage is a file of some dozens of pages, trees of two levels, long values, free pages
// and a small bucket among them.
func goodImage(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{NoSync: true})
	db, err := e.Create(t.Context(), "good")
	if err != nil {
		t.Fatal(err)
	}
	fill := func(from, to, size int) {
		err := db.Update(t.Context(), func(tx engine.Tx) error {
			for i := from; i < to; i++ {
				k := fmt.Appendf(nil, "%06d", i)
				if err := errors.Join(tx.Put(space, k, bytes.Repeat([]byte("v"), size)), tx.Put(space+1, k, k)); err != nil {
					return err
				}
			}
			return tx.Put(space+2, []byte("small"), []byte("bucket"))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	fill(0, 500, 150)
	fill(100, 110, 9000)
	fill(200, 300, 10)
	flush(t, e)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(dir, "good.bolt"))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// What the journal has of a database is not forgotten because nobody knows of a commit whether it took place: when the file is
// opened again, it tells.
func TestDamagedAfterAnUnknownCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := open(t, dir, neverFlush)
	db := made(t, e, "db")
	put(t, db, "first", "1")
	if err := e.FlushOne("db"); err != nil {
		t.Fatal(err)
	}
	put(t, db, "small", "1")
	e.CommitInVain()
	err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte("large"), make([]byte, 10_000)) })
	if !errors.Is(err, engine.ErrUnknown) {
		t.Fatal(err)
	}
	e.FullAtLast(false)
	path := filepath.Join(dir, "db.bolt")
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, len(image)-2*pageSize), 2*pageSize)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.View(t.Context(), func(r engine.Reader) error { _, err := r.Get(space, []byte("first")); return err }); !errors.Is(err, engine.ErrForeign) {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	bringBack(t, path, image)
	if db, err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	for _, flushed := range []bool{false, true} {
		if flushed {
			if err := e.FlushOne("db"); err != nil {
				t.Fatal(err)
			}
		}
		if got := contents(t, db); len(got) != 2 || got["small"] != "1" {
			t.Errorf("flushed %v: it has %v", flushed, got)
		}
	}
	put(t, db, "after", "1")
	if got := contents(t, db); len(got) != 3 {
		t.Errorf("it has %v", got)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// bringBack puts a copy in the place of a file, as an operator does. It removes the file before,
// because a rename over it would have ext4 write the copy to the disk at once.
func bringBack(t *testing.T, path string, image []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path+".copy", image, 0o600), os.Rename(path+".copy", path)); err != nil {
		t.Fatal(err)
	}
}

// harms are what may happen to a page.
var harms = map[string]func(image []byte, page int, random *rand.Rand){
	"zeroed": func(image []byte, page int, _ *rand.Rand) { clear(image[page*pageSize:][:pageSize]) },
	"ones": func(image []byte, page int, _ *rand.Rand) {
		copy(image[page*pageSize:], bytes.Repeat([]byte{0xff}, pageSize))
	},
	"noise": func(image []byte, page int, random *rand.Rand) {
		for i := range pageSize {
			image[page*pageSize+i] = byte(random.Uint32())
		}
	},
	"noise behind its head": func(image []byte, page int, random *rand.Rand) {
		for i := 16; i < pageSize; i++ {
			image[page*pageSize+i] = byte(random.Uint32())
		}
	},
	"another page": func(image []byte, page int, random *rand.Rand) {
		from := random.IntN(len(image) / pageSize)
		copy(image[page*pageSize:][:pageSize], bytes.Clone(image[from*pageSize:][:pageSize]))
	},
	"another page with its id": func(image []byte, page int, random *rand.Rand) {
		from := 2 + random.IntN(len(image)/pageSize-2)
		copy(image[page*pageSize+8:][:pageSize-8], bytes.Clone(image[from*pageSize+8:][:pageSize-8]))
	},
	"half": func(image []byte, page int, _ *rand.Rand) { clear(image[page*pageSize+pageSize/2:][:pageSize/2]) },
}

func init() {
	for n := range 12 {
		harms[fmt.Sprint("bits flipped ", n)] = func(image []byte, page int, random *rand.Rand) {
			within := pageSize
			if n < 8 {
				within = 200 // the head, and where elements are said to be
			}
			for range 1 + n%3 {
				image[page*pageSize+random.IntN(within)] ^= 1 << random.IntN(8)
			}
		}
	}
}

// useAll does with a database what there is to do, and returns what went wrong.
func useAll(t *testing.T, db engine.DB) (failed error) {
	note := func(err error) {
		if err != nil && !errors.Is(err, engine.ErrForeign) {
			t.Errorf("%v", err)
		}
		if err == nil && failed != nil {
			t.Errorf("used after %v", failed)
		}
		if failed == nil {
			failed = err
		}
	}
	n := 0
	note(db.View(t.Context(), func(r engine.Reader) error {
		for i := range 500 {
			v, err := r.Get(space, fmt.Appendf(nil, "%06d", i))
			if err != nil {
				return nil // who does not heed it is told all the same
			}
			n += len(bytes.Clone(v))
		}
		return nil
	}))
	for s := space; s < space+3; s++ {
		for _, reverse := range []bool{false, true} {
			note(db.View(t.Context(), func(r engine.Reader) error {
				_, _, err := r.Last(s)
				return errors.Join(err, r.Scan(s, engine.Range{Reverse: reverse}, func(k, v []byte) (bool, error) {
					n += len(bytes.Clone(v))
					return true, nil
				}))
			}))
		}
	}
	note(db.Update(t.Context(), func(tx engine.Tx) error {
		for i := 0; i < 600; i += 7 {
			if err := tx.Put(space, fmt.Appendf(nil, "%06d", i), []byte("new")); err != nil {
				return err
			}
		}
		return nil
	}))
	note(db.(engine.Compacter).Compact(t.Context()))
	note(db.Update(t.Context(), func(tx engine.Tx) error {
		return errors.Join(tx.DeleteRange(space, []byte("000050"), []byte("000400")), tx.DeleteRange(space+1, nil, nil))
	}))
	return failed
}

// Whatever happens to whichever page, and whether before the file is opened or while it is
// in use: the database says that it is damaged, or has not come to the damage; another one
// of the engine never notices; and a whole file in its place is a whole database.
func TestDamagedPages(t *testing.T) {
	good := goodImage(t)
	dir := t.TempDir()
	var mu sync.Mutex
	told := map[string]int{}
	e := open(t, dir, bolt.Options{NoSync: true, Damaged: func(path string, why error) {
		mu.Lock()
		defer mu.Unlock()
		told[path]++
	}})
	other, err := e.Create(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	pages := len(good) / pageSize
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(7, seed))
	found := 0
	bad := make([]byte, len(good))
	for page := range pages {
		for name, harm := range harms {
			if testing.Short() && (page%9 != 0 || strings.HasPrefix(name, "bits")) {
				continue
			}
			for _, inUse := range []bool{false, true} {
				what := fmt.Sprintf("page %d of %d %s, in use %v, seed %d", page, pages, name, inUse, seed)
				copy(bad, good)
				harm(bad, page, random)
				path := filepath.Join(dir, "db.bolt")
				place := func(image []byte) { t.Helper(); bringBack(t, path, image) }
				if inUse {
					place(good)
				} else {
					place(bad)
				}
				mu.Lock()
				clear(told)
				mu.Unlock()
				db, err := e.Open(t.Context(), "db")
				if err == nil && inUse {
					f, oerr := os.OpenFile(path, os.O_WRONLY, 0)
					if oerr != nil {
						t.Fatal(oerr)
					}
					_, werr := f.WriteAt(bad[page*pageSize:][:pageSize], int64(page)*pageSize)
					if err := errors.Join(werr, f.Close()); err != nil {
						t.Fatal(err)
					}
				}
				if err == nil {
					err = useAll(t, db)
					if err := db.Close(); err != nil {
						t.Errorf("%s: closing: %v", what, err)
					}
				}
				if err != nil && !errors.Is(err, engine.ErrForeign) {
					t.Errorf("%s: %v", what, err)
				}
				if err != nil {
					found++
					mu.Lock()
					if told[path] != 1 {
						t.Errorf("%s: told %d times", what, told[path])
					}
					mu.Unlock()
					if _, again := e.Open(t.Context(), "db"); !errors.Is(again, engine.ErrForeign) {
						t.Errorf("%s: opened again: %v", what, again)
					}
				}
				put(t, other, "k", what)
				place(good)
				mended, err := e.Open(t.Context(), "db")
				if err != nil {
					t.Fatalf("%s: a whole file in its place: %v", what, err)
				}
				if got := contents(t, mended); len(got) != 500 {
					t.Errorf("%s: of a whole file %d entries are read", what, len(got))
				}
				if err := mended.Close(); err != nil {
					t.Error(err)
				}
				if t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d pages, damage met %d times", pages, found)
	if found < pages/2 {
		t.Errorf("damage was met only %d times", found)
	}
}

// A file that becomes shorter while it is in use: what is mapped of it can't be read.
func TestCutOffInUse(t *testing.T) {
	good := goodImage(t)
	for _, size := range []int64{0, 1, 4096, 8192, 20000, int64(len(good)) / 2} {
		dir := t.TempDir()
		path := filepath.Join(dir, "db.bolt")
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		e := open(t, dir, bolt.Options{NoSync: true})
		db, err := e.Open(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if err := useAll(t, db); !errors.Is(err, engine.ErrForeign) {
			t.Errorf("cut off at %d: %v", size, err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("cut off at %d: closing: %v", size, err)
		}
	}
}

// A mistake of who uses the engine is not taken for damage.
func TestPanicOfTheUser(t *testing.T) {
	e := open(t, t.TempDir(), bolt.Options{NoSync: true})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func(){
		"view":   func() { _ = db.View(t.Context(), func(engine.Reader) error { panic("mine") }) },
		"update": func() { _ = db.Update(t.Context(), func(engine.Tx) error { panic("mine") }) },
	} {
		func() {
			defer func() {
				if p := recover(); p != "mine" {
					t.Errorf("%s: recovered %v", name, p)
				}
			}()
			use()
		}()
		put(t, db, "k", name)
	}
}

// What is checked is all there is, and the check goes on after what it finds.
func TestCheckFindsEveryDamage(t *testing.T) {
	good := goodImage(t)
	random := rand.New(rand.NewPCG(1, 9))
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{NoSync: true})
	path := filepath.Join(dir, "db.bolt")
	check := func(image []byte) (found int, err error) {
		bringBack(t, path, image)
		db, err := e.Open(t.Context(), "db")
		if err != nil {
			return 0, err
		}
		defer db.Close()
		err = db.(engine.Checker).CheckStorage(t.Context(), func(string) { found++ })
		return found, err
	}
	if n, err := check(good); n != 0 || err != nil {
		t.Fatalf("of a good file %d findings, %v", n, err)
	}
	unnoticed := 0
	for page := 2; page < len(good)/pageSize; page++ {
		for _, name := range []string{"zeroed", "ones", "noise", "noise behind its head"} {
			bad := bytes.Clone(good)
			harms[name](bad, page, random)
			if n, err := check(bad); n == 0 && err == nil {
				unnoticed++ // of a free page, or of the value of an entry
			} else if err != nil && !errors.Is(err, engine.ErrForeign) {
				t.Errorf("page %d %s: %v", page, name, err)
			}
		}
	}
	t.Logf("unnoticed: %d of %d", unnoticed, 4*(len(good)/pageSize-2))
	if unnoticed*2 > 4*len(good)/pageSize {
		t.Errorf("%d times nothing was found", unnoticed)
	}
}

// A check that nobody waits for any more ends where it is.
func TestCheckStops(t *testing.T) {
	bad := goodImage(t)
	dir := t.TempDir()
	for page := 4; page < len(bad)/pageSize; page++ {
		if at := bad[page*pageSize:]; at[8] == 2 && at[10] > 10 { // a leaf of entries: they are no more where it says
			copy(bad[page*pageSize+16:][:pageSize-16], bytes.Repeat([]byte{0xff}, pageSize-16))
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "db.bolt"), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := open(t, dir, bolt.Options{NoSync: true}).Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	found := 0
	err = db.(engine.Checker).CheckStorage(ctx, func(string) { found++; cancel() })
	if !errors.Is(err, context.Canceled) || found != 1 {
		t.Errorf("%d findings, %v", found, err)
	}
}
