package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// calls does each thing that can be done with a handle.
func calls(ctx context.Context, db engine.DB) map[string]error {
	_, sub := db.Sub(ctx, "x")
	return map[string]error{
		"view":   db.View(ctx, func(engine.Reader) error { return nil }),
		"update": db.Update(ctx, func(engine.Tx) error { return nil }),
		"stage": db.Stage(ctx, space, func(yield func(k, v []byte) bool) {
			yield([]byte("k"), []byte("v"))
		}),
		"sub":      sub,
		"drop sub": db.DropSub(ctx, "x"),
	}
}

func all(t testing.TB, what string, got map[string]error, want error) {
	t.Helper()
	for call, err := range got {
		if !errors.Is(err, want) {
			t.Errorf("%s of %s: %v, want %v", call, what, err, want)
		}
	}
}

func handles(t *testing.T, e engine.Engine) {
	one := create(t, e, "db")
	two, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(one.Close(), one.Close()); err != nil {
		t.Error(err)
	}
	all(t, "a closed handle", calls(t.Context(), one), engine.ErrClosed)
	put(t, two, "k", "v")
	if err := two.Close(); err != nil {
		t.Error(err)
	}
	three, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer three.Close()
	if string(get(t, three, "k")) != "v" {
		t.Error("opened again it is another database")
	}
}

func closed(t *testing.T, e engine.Engine) {
	db := create(t, e, "db")
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	all(t, "a closed engine", calls(t.Context(), db), engine.ErrClosed)
	_, made := e.Create(t.Context(), "other")
	_, opened := e.Open(t.Context(), "db")
	_, listed := e.List(t.Context(), "", -1)
	all(t, "a closed engine", map[string]error{
		"create": made, "open": opened, "list": listed, "drop": e.Drop(t.Context(), "db"),
	}, engine.ErrClosed)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// dropOpen drops a database that is being read, and makes another of its name.
func dropOpen(t *testing.T, e engine.Engine) {
	old := create(t, e, "a/db")
	put(t, old, "k", "old")
	sub, err := old.Sub(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	put(t, sub, "k", "old")
	w := old.Watch()
	defer w.Close()
	err = old.View(t.Context(), func(r engine.Reader) error {
		if _, err := r.Get(space, []byte("k")); err != nil {
			return err
		}
		if err := e.Drop(t.Context(), "a/db"); err != nil {
			return err
		}
		put(t, create(t, e, "a/db"), "k", "new")
		v, err := r.Get(space, []byte("k"))
		if string(v) != "old" {
			t.Errorf("a view that had begun reads %q", v)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all(t, "what was dropped", calls(t.Context(), old), engine.ErrNoDB)
	all(t, "a sub of what was dropped", calls(t.Context(), sub), engine.ErrNoDB)
	select {
	case <-w.C():
	case <-time.After(patience):
		t.Error("a watcher is not told of the end")
	}
	db, err := e.Open(t.Context(), "a/db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fresh, err := db.Sub(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if string(get(t, db, "k")) != "new" || get(t, fresh, "k") != nil || fresh.ID() == sub.ID() {
		t.Error("the new database has something of the old one")
	}
}

func list(t *testing.T, e engine.Engine) {
	var names []string
	for _, name := range []string{"b", "a/b/c", "a", "a-b", "a/b", "a0", "a_b", "a/"} {
		create(t, e, name).Close()
		names = append(names, name)
	}
	slices.Sort(names)
	for i := range len(names) + 1 {
		for _, limit := range []int{-1, 0, 1, 3, 100} {
			after, want := "", names[i:]
			if i > 0 {
				after = names[i-1]
			}
			if limit >= 0 {
				want = want[:min(limit, len(want))]
			}
			if got, err := e.List(t.Context(), after, limit); err != nil || !slices.Equal(got, want) {
				t.Errorf("%d after %q: %q, %v, want %q", limit, after, got, err, want)
			}
		}
	}
	if got, err := e.List(t.Context(), "a/c", 1); err != nil || !slices.Equal(got, []string{"a0"}) {
		t.Errorf("after a name that is not there: %q, %v", got, err)
	}
}

// firstEntries makes a database that begins with something.
func firstEntries(t *testing.T, e engine.Engine) {
	first := []engine.Entry{{SpaceKey: engine.SpaceKey{Space: 1, Key: []byte("a")}, Value: []byte("1")}, {SpaceKey: engine.SpaceKey{Space: space, Key: []byte("b")}, Value: []byte("2")}}
	db, err := e.Create(t.Context(), "db", first...)
	if err != nil {
		t.Fatal(err)
	}
	put(t, db, "c", "3")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Create(t.Context(), "db", first[0]); !errors.Is(err, engine.ErrExists) {
		t.Errorf("made twice: %v", err)
	}
	if db, err = e.Open(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, want := range append(first, engine.Entry{SpaceKey: engine.SpaceKey{Space: space, Key: []byte("c")}, Value: []byte("3")}) {
		err := db.View(t.Context(), func(r engine.Reader) error {
			v, err := r.Get(want.Space, want.Key)
			if string(v) != string(want.Value) {
				t.Errorf("%s is %q", want.Key, v)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func createOnce(t *testing.T, e engine.Engine) {
	for round := range 10 {
		name := fmt.Sprint("db", round)
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				db, err := e.Create(t.Context(), name)
				switch {
				case err == nil:
					made.Add(1)
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				case !errors.Is(err, engine.ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%d made %s", made.Load(), name)
		}
	}
}
