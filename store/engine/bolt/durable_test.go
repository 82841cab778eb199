package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
)

const space engine.Space = 5

func put(t testing.TB, db engine.DB, k, v string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte(k), []byte(v)) })
	if err != nil {
		t.Fatal(err)
	}
}

func contents(t testing.TB, db engine.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := db.View(t.Context(), func(r engine.Reader) error {
		return r.Scan(space, engine.Range{}, func(k, v []byte) (bool, error) {
			all[string(k)] = string(v)
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(a, b map[string]string) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestReopened(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{})
	db, err := e.Create(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "k", "v")
	id := db.ID()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, dir, bolt.Options{}).Open(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != id || contents(t, again)["k"] != "v" {
		t.Error("what was written is not there after all was closed")
	}
}

// What is no database of ours, or a torn one, is refused and left as it is.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{})
	db, err := e.Create(t.Context(), "good")
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "k", "v")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, "good.bolt"))
	if err != nil {
		t.Fatal(err)
	}
	torn := bytes.Clone(good)
	copy(torn[:8192], make([]byte, 8192)) // both meta pages
	for name, b := range map[string][]byte{"empty": {}, "text": []byte("no database"), "short": good[:5000], "torn": torn, "zeros": make([]byte, 65536)} {
		path := filepath.Join(dir, name+".bolt")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Open(t.Context(), name); err == nil || errors.Is(err, engine.ErrNoDB) {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, b) {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	if _, err := open(t, dir, bolt.Options{}).Create(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, bolt.Options{LockTimeout: 1}).Open(t.Context(), "db"); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("a second owner: %v", err)
	}
}

// A power cut leaves some of the pages of the commit under way on the disk. bbolt syncs
// data before meta pages, so that a new meta page is there only if all data is: whatever
// else is missing, the state is that of the last commit, or of the one under way.
func TestPowerCut(t *testing.T) {
	const page = 4096
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "db.bolt")
	image := func() []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	random := rand.New(rand.NewPCG(1, 2))
	before, was := image(), contents(t, db)
	for commit := range 40 {
		err := db.Update(t.Context(), func(tx engine.Tx) error {
			for range 20 {
				k := fmt.Appendf(nil, "%03d", random.IntN(400))
				if random.IntN(4) == 0 {
					if err := tx.Delete(space, k); err != nil {
						return err
					}
				} else if err := tx.Put(space, k, bytes.Repeat([]byte{byte(commit)}, random.IntN(600))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		after, is := image(), contents(t, db)
		for range 4 {
			cut := make([]byte, max(len(before), len(after)))
			copy(cut, before)
			whole := true // all data pages made it
			for at := 2 * page; at < len(after); at += 512 {
				if !bytes.Equal(cut[at:at+512], after[at:at+512]) {
					if random.IntN(2) == 0 {
						copy(cut[at:at+512], after[at:at+512])
					} else {
						whole = false
					}
				}
			}
			if whole || random.IntN(3) == 0 {
				copy(cut[2*page:], after[min(2*page, len(after)):])
				if random.IntN(2) == 0 {
					copy(cut[:2*page], after[:2*page])
				}
			}
			afterCut(t, cut, was, is, commit)
		}
		before, was = after, is
	}
}

// afterCut opens what a power cut has left.
func afterCut(t *testing.T, image []byte, was, is map[string]string, commit int) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "db.bolt"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	e := open(t, dir, bolt.Options{})
	db, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatalf("commit %d: %v", commit, err)
	}
	if got := contents(t, db); !same(got, was) && !same(got, is) {
		t.Errorf("commit %d: neither what was nor what is: %d entries, %d, %d", commit, len(got), len(was), len(is))
	}
	err = db.(engine.Checker).CheckStorage(t.Context(), func(problem string) { t.Errorf("commit %d: %s", commit, problem) })
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// Compaction goes on beside writers and readers; in the end there is what they wrote, and
// the file is smaller.
func TestCompactBesideWriters(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{NoSync: true})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i := range 20_000 {
		want[fmt.Sprintf("%05d", i)] = "x"
	}
	err = db.Update(t.Context(), func(tx engine.Tx) error {
		for k := range want {
			if err := tx.Put(space, []byte(k), bytes.Repeat([]byte("y"), 200)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx engine.Tx) error {
		for k, v := range want {
			if err := tx.Put(space, []byte(k), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := db.(engine.Sizer).Size(t.Context())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		random := rand.New(rand.NewPCG(3, 4))
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			k := fmt.Sprintf("%05d", random.IntN(25_000))
			if i%3 == 0 {
				delete(want, k)
				if err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Delete(space, []byte(k)) }); err != nil {
					t.Error(err)
				}
				continue
			}
			want[k] = fmt.Sprint(i)
			put(t, db, k, want[k])
		}
	})
	for range 3 {
		if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	if got := contents(t, db); !same(got, want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	if after, _ := db.(engine.Sizer).Size(t.Context()); after >= before {
		t.Errorf("the file has %d bytes, before it had %d", after, before)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestCompactOfADroppedDatabase(t *testing.T) {
	e := open(t, t.TempDir(), bolt.Options{NoSync: true})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if err := db.(engine.Compacter).Compact(t.Context()); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("compaction: %v", err)
	}
}
