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
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/widetest"
)

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
	if got := contents(t, db); !maps.Equal(got, want) {
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

// A view that began before the files were swapped reads the old one to its end.
func TestCompactUnderAReader(t *testing.T) {
	e := open(t, t.TempDir(), bolt.Options{NoSync: true})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		put(t, db, fmt.Sprintf("%03d", i), "old")
	}
	err = db.View(t.Context(), func(r engine.Reader) error {
		c := r.Cursor(space, engine.Range{})
		for i := range 500 {
			if i == 100 {
				if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
					return err
				}
				put(t, db, "200", "new")
				if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
					return err
				}
			}
			if k, v, err := c.Next(); string(k) != fmt.Sprintf("%03d", i) || string(v) != "old" || err != nil {
				t.Fatalf("entry %d is %q %q, %v", i, k, v, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if v := contents(t, db)["200"]; v != "new" {
		t.Errorf("the new file reads %q", v)
	}
}

// What is written after a compaction is there when all is opened again.
func TestCompactedIsDurable(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir, bolt.Options{})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for round := range 5 {
		for i := range 20 {
			k, v := fmt.Sprint(round%2, i), fmt.Sprint(round)
			put(t, db, k, v)
			want[k] = v
		}
		if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	put(t, db, "last", "v")
	want["last"] = "v"
	id := db.ID()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, dir, bolt.Options{}).Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, again); !maps.Equal(got, want) || again.ID() != id {
		t.Errorf("there is %v, want %v", got, want)
	}
}

// Whatever ends a compaction in its midst - it is called off, the database is dropped and
// made again, all is closed - leaves the database in use whole and no file behind.
func TestCompactInterrupted(t *testing.T) {
	widetest.Only(t)
	for how, interrupt := range map[string]func(e *bolt.Engine, db engine.DB, cancel func()) error{
		"called off": func(_ *bolt.Engine, _ engine.DB, cancel func()) error { cancel(); return nil },
		"dropped":    func(e *bolt.Engine, _ engine.DB, _ func()) error { return e.Drop(context.Background(), "db") },
		"remade": func(e *bolt.Engine, _ engine.DB, _ func()) error {
			if err := e.Drop(context.Background(), "db"); err != nil {
				return err
			}
			db, err := e.Create(context.Background(), "db")
			if err != nil {
				return err
			}
			return errors.Join(db.(engine.Compacter).Compact(context.Background()), db.Close())
		},
		"closed":     func(_ *bolt.Engine, db engine.DB, _ func()) error { return db.Close() },
		"all closed": func(e *bolt.Engine, _ engine.DB, _ func()) error { return e.Close() },
	} {
		t.Run(how, func(t *testing.T) {
			for round := range 8 {
				dir := t.TempDir()
				e := open(t, dir, bolt.Options{NoSync: true})
				db, err := e.Create(t.Context(), "db")
				if err != nil {
					t.Fatal(err)
				}
				err = db.Stage(t.Context(), space, func(yield func(k, v []byte) bool) {
					for i := range 20_000 {
						if !yield(fmt.Appendf(nil, "%05d", i), bytes.Repeat([]byte("v"), 50)) {
							return
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- db.(engine.Compacter).Compact(ctx) }()
				time.Sleep(time.Duration(round*round) * time.Millisecond)
				if err := interrupt(e, db, cancel); err != nil {
					t.Error(err)
				}
				cancel()
				if err := <-done; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, engine.ErrNoDB) && !errors.Is(err, engine.ErrClosed) {
					t.Error(err)
				}
				if err := errors.Join(db.Close(), e.Close()); err != nil {
					t.Error(err)
				}
				if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); left != nil {
					t.Errorf("left behind: %q", left)
				}
				again, err := open(t, dir, bolt.Options{NoSync: true}).Open(t.Context(), "db")
				want := 20_000
				switch how {
				case "dropped":
					if !errors.Is(err, engine.ErrNoDB) {
						t.Errorf("what was dropped: %v", err)
					}
					continue
				case "remade":
					want = 0
				}
				if err != nil {
					t.Fatal(err)
				}
				if n := len(contents(t, again)); n != want {
					t.Errorf("%d entries, want %d", n, want)
				}
			}
		})
	}
}

// As long as the name of a compacted file may not be on disk nothing is acknowledged.
func TestCompactedNameNotOnDisk(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("permissions do not stop root")
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	e := open(t, dir, bolt.Options{})
	db, err := e.Create(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o300); err != nil { // it can be written to but not opened, so not synced
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	if err := db.(engine.Compacter).Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	write := func() error {
		return db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte("k"), nil) })
	}
	if err := write(); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("a write: %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Error(err)
	}
}
