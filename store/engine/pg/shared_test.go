package pg_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/pg"
	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

const sequence engine.Space = 3

// two opens two engines on the same tables, as two processes would.
func two(t *testing.T) (a, b *pg.Engine) {
	url := pgtest.URL(t)
	opt := pg.Options{URL: url, Sequence: sequence}
	return pgtest.Open(t, opt), pgtest.Open(t, opt)
}

func create(t testing.TB, e *pg.Engine, name string) engine.DB {
	t.Helper()
	db, err := e.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t testing.TB, e *pg.Engine, name string) engine.DB {
	t.Helper()
	db, err := e.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func put(t testing.TB, db engine.DB, k, v string) {
	t.Helper()
	if err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(sequence, []byte(k), []byte(v)) }); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, db engine.DB, k string) (v string) {
	t.Helper()
	err := db.View(t.Context(), func(r engine.Reader) error {
		b, err := r.Get(sequence, []byte(k))
		v = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it does not happen", what)
		}
	}
}

func woken(t testing.TB, w engine.Watcher, what string) {
	t.Helper()
	select {
	case <-w.C():
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: a watcher is not told", what)
	}
}

// What another process commits wakes who watches here, with notifications and without.
func TestWatchAnotherProcess(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprint("deaf ", deaf), func(t *testing.T) {
			a, b := two(t)
			if deaf {
				b.NoListening()
			}
			one, other := create(t, a, "db"), open(t, b, "db")
			w := other.Watch()
			defer w.Close()
			for i := range 5 {
				put(t, one, fmt.Sprintf("k%d", i), "v")
				for seen := ""; seen == ""; { // the first signals may be about earlier commits
					woken(t, w, "a commit")
					seen = get(t, other, fmt.Sprintf("k%d", i))
				}
			}
		})
	}
}

// A process hears its own notifications, which tells how long they take.
func TestListenerLag(t *testing.T) {
	e := pgtest.Open(t, pg.Options{URL: pgtest.URL(t), Sequence: sequence})
	db := create(t, e, "db")
	w := db.Watch()
	defer w.Close()
	n := 0
	eventually(t, "it hears itself", func() bool {
		n++
		put(t, db, fmt.Sprint(n), "v")
		return e.Figures().ListenerLag > 0
	})
}

// What one process drops is gone for the other: at once for writers, soon for who watches.
func TestDropByAnotherProcess(t *testing.T) {
	a, b := two(t)
	one, other := create(t, a, "db"), open(t, b, "db")
	put(t, one, "old", "v")
	sub, err := other.Sub(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	w := other.Watch()
	defer w.Close()
	if err := a.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if err := other.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(sequence, []byte("k"), nil) }); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("a write to what another process has dropped: %v", err)
	}
	woken(t, w, "a drop")
	if err := sub.View(t.Context(), func(r engine.Reader) error { _, err := r.Get(sequence, []byte("k")); return err }); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("a read of its sub-database: %v", err)
	}
	create(t, a, "db")
	if again := open(t, b, "db"); again.ID() == other.ID() || get(t, again, "old") != "" {
		t.Error("the new database is the old one")
	}
}

// A server that was put back gives a number to another database. Whoever has the one that had it before open gets the new one.
func TestNumberGivenAgain(t *testing.T) {
	to := pgtest.URL(t)
	e := pgtest.Open(t, pg.Options{URL: to, Sequence: sequence})
	old := create(t, e, "old")
	put(t, old, "k", "of the old one")
	sub, err := old.Sub(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	put(t, sub, "k", "of its sub-database")
	pgtest.ExecAt(t, to, "with gone as (delete from td_kv), d as (delete from td_db where parent <> 0) update td_db set name = 'new', instance = 'another'")
	db := open(t, e, "new")
	if db.ID() != "another" {
		t.Errorf("it is %s", db.ID())
	}
	put(t, db, "k", "of the new one")
	for name, of := range map[string]engine.DB{"old": old, "sub": sub} {
		if err := of.View(t.Context(), func(r engine.Reader) error { _, err := r.Get(sequence, []byte("k")); return err }); !errors.Is(err, engine.ErrNoDB) {
			t.Errorf("%s: %v", name, err)
		}
		if err := of.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := get(t, db, "k"); got != "of the new one" {
		t.Errorf("after the old one was asked for: %q", got)
	}
}

// Who only watches hears of a drop too.
func TestWatchDropByAnotherProcess(t *testing.T) {
	a, b := two(t)
	create(t, a, "db")
	other := open(t, b, "db")
	w := other.Watch()
	defer w.Close()
	if err := a.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the handle ends", func() bool {
		woken(t, w, "a drop")
		return errors.Is(other.View(t.Context(), func(engine.Reader) error { return nil }), engine.ErrNoDB)
	})
}

// The entries of what is dropped are removed.
func TestSweep(t *testing.T) {
	a, b := two(t)
	db := create(t, a, "db")
	sub, err := db.Sub(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for _, d := range []engine.DB{db, sub} {
		err := d.Stage(t.Context(), sequence, func(yield func(k, v []byte) bool) {
			for i := range 6000 {
				if !yield(fmt.Appendf(nil, "%05d", i), nil) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, create(t, a, "stays"), "k", "v")
	if err := b.Drop(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is removed but one", func() bool {
		var gone, entries int
		if err := errors.Join(b.Gone(&gone), b.Entries(&entries)); err != nil {
			t.Fatal(err)
		}
		return gone == 0 && entries == 1
	})
}

// What a process was making when it ended is removed, and what is being made is not.
func TestAsidesOfTheDead(t *testing.T) {
	url := pgtest.URL(t)
	a, b := pgtest.Open(t, pg.Options{URL: url}), pgtest.Open(t, pg.Options{URL: url})
	left, err := a.Aside(t.Context(), "left")
	if err != nil {
		t.Fatal(err)
	}
	made, err := b.Aside(t.Context(), "made")
	if err != nil {
		t.Fatal(err)
	}
	put(t, left, "k", "v")
	put(t, made, "k", "v")
	pgtest.ExecAt(t, url, "update td_db set seen = now() - interval '1 hour'")
	if err := b.KeepAsides(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what nobody makes is removed", func() bool {
		var gone, entries int
		if err := errors.Join(b.Gone(&gone), b.Entries(&entries)); err != nil {
			t.Fatal(err)
		}
		return gone == 0 && entries == 1
	})
	if err := made.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if get(t, open(t, a, "made"), "k") != "v" {
		t.Error("what was being made has lost something")
	}
	if err := left.Publish(t.Context()); !errors.Is(err, engine.ErrNoDB) {
		t.Errorf("publish of what was removed: %v", err)
	}
}
