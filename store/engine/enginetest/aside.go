package enginetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
)

func makeAside(t testing.TB, e engine.Engine, name string) engine.Aside {
	t.Helper()
	a, err := e.Aside(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// asides makes databases that nobody sees before they are whole.
func asides(t *testing.T, e engine.Engine) {
	one, two, never := makeAside(t, e, "a/db"), makeAside(t, e, "a/db"), makeAside(t, e, "other")
	put(t, one, "k", "one")
	put(t, two, "k", "two")
	put(t, never, "k", "never")
	if one.ID() == two.ID() || string(get(t, one, "k")) != "one" {
		t.Error("two that are made aside for one name are one")
	}
	unseen := func() {
		t.Helper()
		for _, name := range []string{"a/db", "other"} {
			if _, err := e.Open(t.Context(), name); !errors.Is(err, engine.ErrNoDB) {
				t.Errorf("before it is published: %v", err)
			}
		}
		if got, err := e.List(t.Context(), "", -1); err != nil || len(got) > 0 {
			t.Errorf("before anything is published there are %q, %v", got, err)
		}
	}
	unseen()
	if err := errors.Join(never.Close(), never.Close()); err != nil {
		t.Error(err)
	}
	if err := never.Replace(t.Context()); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("publish of what is closed: %v", err)
	}
	unseen()
	if err := one.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	all(t, "a handle that was published", calls(t.Context(), one), engine.ErrClosed)
	if err := two.Publish(t.Context()); !errors.Is(err, engine.ErrExists) {
		t.Errorf("published in the place of another: %v", err)
	}
	all(t, "what was not published", calls(t.Context(), two), engine.ErrClosed)
	if got, err := e.List(t.Context(), "", -1); err != nil || !slices.Equal(got, []string{"a/db"}) {
		t.Errorf("there are %q, %v", got, err)
	}
	db, err := e.Open(t.Context(), "a/db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put(t, db, "l", "more")
	if string(get(t, db, "k")) != "one" || string(get(t, db, "l")) != "more" {
		t.Error("what was published holds something else")
	}
}

// asideReplaces puts a database in the place of one that is being read.
func asideReplaces(t *testing.T, e engine.Engine) {
	old := create(t, e, "db")
	put(t, old, "k", "old")
	sub, err := old.Sub(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	put(t, sub, "k", "old")
	w := old.Watch()
	defer w.Close()
	a := makeAside(t, e, "db")
	put(t, a, "k", "new")
	err = old.View(t.Context(), func(r engine.Reader) error {
		if _, err := r.Get(space, []byte("k")); err != nil {
			return err
		}
		if err := a.Replace(t.Context()); err != nil {
			return err
		}
		v, err := r.Get(space, []byte("k"))
		if string(v) != "old" {
			t.Errorf("a view that had begun reads %q", v)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all(t, "what was replaced", calls(t.Context(), old), engine.ErrNoDB)
	all(t, "a sub of what was replaced", calls(t.Context(), sub), engine.ErrNoDB)
	select {
	case <-w.C():
	case <-time.After(patience):
		t.Error("a watcher is not told of the end")
	}
	db, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fresh, err := db.Sub(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if string(get(t, db, "k")) != "new" || get(t, fresh, "k") != nil || db.ID() == old.ID() {
		t.Error("the new database has something of the old one")
	}
	if err := e.Drop(t.Context(), "db"); err != nil {
		t.Error(err)
	}
}
