package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

// bboltFile makes a file as some other program may.
func bboltFile(t *testing.T, o bbolt.Options, fill func(*bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other")
	b, err := bbolt.Open(path, 0o600, &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Update(fill), b.Close()); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// What is no database of ours, or a torn one, is refused and left as it is; nor does it
// stay locked.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{LockTimeout: 10 * time.Millisecond})
	db, err := e.Create(t.Context(), "good")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		put(t, db, string(rune('a'+i)), string(bytes.Repeat([]byte("v"), 300)))
	}
	flush(t, e)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, "good.bolt"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(from, to int, with byte) []byte {
		b := bytes.Clone(good)
		for i := from; i < to; i++ {
			b[i] = with
		}
		return b
	}
	foreign := map[string][]byte{
		"empty":          {},
		"one byte":       {1},
		"text":           bytes.Repeat([]byte("no database "), 5000),
		"zeros":          make([]byte, 65536),
		"no metas":       damaged(0, 8192, 0),
		"pages of ff":    damaged(8192, len(good), 0xff),
		"pages of 0":     damaged(8192, len(good), 0),
		"pages of noise": damaged(8192, len(good), 0x5a),
		"bare bbolt":     bboltFile(t, bbolt.Options{}, func(*bbolt.Tx) error { return nil }),
		"bbolt without free list": bboltFile(t, bbolt.Options{NoFreelistSync: true}, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("key"))
			return err
		}),
		"another format": bboltFile(t, bbolt.Options{}, func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("id"))
			if err != nil {
				return err
			}
			return b.Put([]byte("format"), []byte("tododb 99"))
		}),
	}
	for _, size := range []int{4096, 5000, 8192, 12288, 16384, 20000, 40960} {
		foreign[fmt.Sprint("cut off at ", size)] = good[:size]
	}
	path := filepath.Join(dir, "bad.bolt")
	for name, image := range foreign {
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time it is not locked by the first
			if _, err := e.Open(t.Context(), "bad"); !errors.Is(err, engine.ErrForeign) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, image) {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
	if _, err := e.Create(t.Context(), "bad"); !errors.Is(err, engine.ErrExists) {
		t.Errorf("a database in the place of a damaged one: %v", err)
	}
	if err := e.Drop(t.Context(), "bad"); err != nil {
		t.Errorf("drop of a damaged one: %v", err)
	}
}

// One meta page is enough: the other may have been torn by the last commit.
func TestOneMetaPageTorn(t *testing.T) {
	for page := range 2 {
		dir := t.TempDir()
		e := open(t, dir, bolt.Options{})
		db, err := e.Create(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		put(t, db, "a", "1")
		flush(t, e)
		put(t, db, "a", "2")
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "db.bolt")
		image, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copy(image[page*4096+40:page*4096+80], make([]byte, 40))
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := open(t, dir, bolt.Options{}).Open(t.Context(), "db")
		if err != nil {
			t.Fatalf("meta page %d: %v", page, err)
		}
		if v := contents(t, again)["a"]; v != "1" && v != "2" {
			t.Errorf("meta page %d: reads %q", page, v)
		}
	}
}

// A drop that was cut short leaves nothing to the next database of the name.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{NoSync: true})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := db.Sub(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	put(t, sub, "k", "old")
	flush(t, e)
	if err := errors.Join(sub.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "db.bolt")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"db.bolt.new", "other.bolt.new"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := e.List(t.Context(), "", -1); err != nil || len(names) != 0 {
		t.Errorf("there are %q, %v", names, err)
	}
	if db, err = e.Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if sub, err = db.Sub(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, sub); len(got) != 0 {
		t.Errorf("the new database has %v", got)
	}
	flush(t, e) // only what has a file is compacted
	if err := errors.Join(sub.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "db.bolt.new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "db.bolt.new")); err == nil {
		t.Error("what a compaction left is still there")
	}
}

// A small database takes little space.
func TestSizeIsThatOfWhatIsIn(t *testing.T) {
	e := open(t, t.TempDir(), bolt.Options{})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		put(t, db, string(rune('a'+i)), "v")
	}
	if n, err := db.(engine.Sizer).Size(t.Context()); err != nil || n > 200<<10 {
		t.Errorf("ten entries take %d bytes, %v", n, err)
	}
}
