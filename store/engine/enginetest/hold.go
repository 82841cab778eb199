package enginetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// While databases are held, everything is read and nothing is written.
func hold(t *testing.T, e engine.Engine) {
	h, can := e.(engine.Holder)
	if !can {
		t.Skip("it cannot hold its databases")
	}
	ctx := t.Context()
	db := create(t, e, "db")
	put(t, db, "a", "1")
	sub, err := db.Sub(ctx, "index")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	put(t, sub, "b", "2")
	if note, err := h.Held(ctx); note != nil || err != nil {
		t.Fatalf("held: %q, %v", note, err)
	}
	ready, err := e.Aside(ctx, "aside")
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	if err := h.Hold(ctx, []byte("first"), []byte("second")); !errors.Is(err, engine.ErrOtherHold) {
		t.Errorf("going on with a hold that is none: %v", err)
	}
	put(t, db, "a", "1")
	var was []byte
	for _, note := range []string{"first", "second", "second"} {
		if err := h.Hold(ctx, was, []byte(note)); err != nil {
			t.Fatal(err)
		}
		was = []byte(note)
		for _, other := range [][]byte{nil, []byte("first"), []byte("third")} {
			if string(other) == note {
				continue
			}
			if err := h.Hold(ctx, other, []byte("mine")); !errors.Is(err, engine.ErrOtherHold) {
				t.Errorf("a hold after %q where %q is: %v", other, note, err)
			}
		}
		if got, err := h.Held(ctx); string(got) != note || err != nil {
			t.Errorf("the note is %q, %v, want %q", got, err, note)
		}
	}
	values := func(yield func(k, v []byte) bool) { yield([]byte("s"), []byte("staged")) }
	putting := func(tx engine.Tx) error { return tx.Put(space, []byte("a"), []byte("2")) }
	for what, do := range map[string]func() error{
		"update":     func() error { return db.Update(ctx, putting) },
		"sub update": func() error { return sub.Update(ctx, putting) },
		"stage":      func() error { return db.Stage(ctx, space, iter.Seq2[[]byte, []byte](values)) },
		"create":     func() error { _, err := e.Create(ctx, "other"); return err },
		"drop":       func() error { return e.Drop(ctx, "db") },
		"drop a sub": func() error { return db.DropSub(ctx, "index") },
		"make aside": func() error { _, err := e.Aside(ctx, "other"); return err },
		"publish it": func() error { return ready.Publish(ctx) },
		"make a sub": func() error { return madeSub(ctx, db, putting) },
	} {
		if err := do(); !errors.Is(err, engine.ErrHeld) || !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := e.Create(ctx, "db"); !errors.Is(err, engine.ErrExists) {
		t.Errorf("create one that is there: %v", err)
	}
	for _, from := range []engine.DB{db, sub} {
		err := from.View(ctx, func(r engine.Reader) error {
			k, v, err := r.Last(space)
			if want := map[string]string{"a": "1", "b": "2"}[string(k)]; err == nil && string(v) != want {
				err = fmt.Errorf("%q is %q", k, v)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if names, err := e.List(ctx, "", -1); !slices.Equal(names, []string{"db"}) || err != nil {
		t.Errorf("there are %q, %v", names, err)
	}
	for range 2 {
		if err := h.Unhold(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if note, err := h.Held(ctx); note != nil || err != nil {
		t.Errorf("still held: %q, %v", note, err)
	}
	put(t, db, "a", "3")
	put(t, sub, "b", "3")
	create(t, e, "other")
	if err := e.Drop(ctx, "other"); err != nil {
		t.Error(err)
	}
}

// madeSub makes a sub-database and writes to it: one of them is refused.
func madeSub(ctx context.Context, db engine.DB, fn func(engine.Tx) error) error {
	sub, err := db.Sub(ctx, "another")
	if err != nil {
		return err
	}
	defer sub.Close()
	return sub.Update(ctx, fn)
}

// What is there when a hold has begun is there as long as it lasts, whoever was about to write.
func holdBeside(t *testing.T, e engine.Engine) {
	h, can := e.(engine.Holder)
	if !can {
		t.Skip("it cannot hold its databases")
	}
	ctx := t.Context()
	const writers = 4
	var dbs []engine.DB
	for i := range 2 {
		dbs = append(dbs, create(t, e, fmt.Sprintf("db%d", i)))
	}
	read := func() (all string) {
		for _, db := range dbs {
			err := db.View(ctx, func(r engine.Reader) error {
				k, _, err := r.Last(space)
				all += fmt.Sprintf("%x ", k)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		names, err := e.List(ctx, "", -1)
		if err != nil {
			t.Error(err)
		}
		return all + fmt.Sprint(names)
	}
	for range 5 {
		var all sync.WaitGroup
		begun := make(chan struct{}, writers+1)
		work := func(do func(n int) error) {
			all.Go(func() {
				for n := 0; ; n++ {
					err := do(n)
					if n == 0 {
						begun <- struct{}{}
					}
					if errors.Is(err, engine.ErrHeld) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for i := range writers {
			work(func(int) error {
				return dbs[i%len(dbs)].Update(ctx, func(tx engine.Tx) error {
					k, _, err := tx.Last(space)
					if err != nil {
						return err
					}
					next := make([]byte, 4)
					copy(next, k)
					for j := 3; j >= 0; j-- {
						if next[j]++; next[j] != 0 {
							break
						}
					}
					return tx.Insert(space, next, []byte("v"))
				})
			})
		}
		work(func(n int) error {
			db, err := e.Create(ctx, fmt.Sprintf("made%d", n%3))
			if errors.Is(err, engine.ErrExists) {
				return e.Drop(ctx, fmt.Sprintf("made%d", n%3))
			}
			if err == nil {
				err = db.Close()
			}
			return err
		})
		for range writers + 1 {
			<-begun
		}
		if err := h.Hold(ctx, nil, []byte("now")); err != nil {
			t.Fatal(err)
		}
		before := read()
		all.Wait()
		if after := read(); after != before {
			t.Errorf("under the hold %s became %s", before, after)
		}
		if err := h.Unhold(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
