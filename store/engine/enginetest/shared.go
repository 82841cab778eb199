package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// stampOf reads a database's stamp through one of its handles.
func stampOf(t testing.TB, db engine.DB) (stamp uint64) {
	t.Helper()
	err := db.View(t.Context(), func(r engine.Reader) (err error) {
		stamp, err = r.(engine.Stamped).Stamp()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return stamp
}

// Where processes share databases, a stamp changes with the commits that ask for it, and with no other.
func stamps(t *testing.T, e engine.Engine) {
	if !e.Caps().Shared {
		t.Skip("nobody else writes to its databases")
	}
	db := create(t, e, "db")
	other, err := e.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	seen := []uint64{stampOf(t, db)}
	put(t, db, "a", "1")
	failed := errors.New("no")
	if err := db.Update(t.Context(), func(tx engine.Tx) error { return errors.Join(tx.(engine.Restamper).Restamp(), failed) }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if got := stampOf(t, other); got != seen[0] {
		t.Errorf("the stamp went from %d to %d, and nobody asked for that", seen[0], got)
	}
	for _, by := range []engine.DB{db, other, db} {
		update(t, by, func(tx engine.Tx) error {
			was, err := tx.(engine.Stamped).Stamp()
			if err != nil {
				return err
			}
			if was != seen[len(seen)-1] {
				return fmt.Errorf("a transaction sees stamp %d, want %d", was, seen[len(seen)-1])
			}
			return tx.(engine.Restamper).Restamp()
		})
		now := stampOf(t, db)
		if again := stampOf(t, other); again != now {
			t.Errorf("two handles have stamps %d and %d", now, again)
		}
		if slices.Contains(seen, now) {
			t.Errorf("stamp %d comes again after %v", now, seen)
		}
		seen = append(seen, now)
	}
}

// A watcher is told that its database is gone.
func watchDrop(t *testing.T, e engine.Engine) {
	if !e.Caps().Shared {
		t.Skip("whoever drops a database of this engine knows who watches it")
	}
	db := create(t, e, "db")
	w := db.Watch()
	defer w.Close()
	if err := e.Drop(context.WithoutCancel(t.Context()), "db"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.C():
	case <-time.After(patience):
		t.Error("it is not told")
	}
}

// An engine that can tell how far databases are tells of those that there are.
func newest(t *testing.T, e engine.Engine) {
	n, ok := e.(engine.Newest)
	if !ok {
		t.Skip("it cannot")
	}
	a, b := create(t, e, "a"), create(t, e, "b")
	create(t, e, "c")
	put(t, a, "k1", "v", "k2", "v")
	put(t, b, "k0", "v")
	if _, err := a.Sub(t.Context(), "sub"); err != nil {
		t.Fatal(err)
	}
	tell := func(after string, limit int) (told []string) {
		err := n.Newest(t.Context(), space, after, limit, func(name string, id engine.DBID, k []byte) error {
			told = append(told, fmt.Sprintf("%s %s %v", name, k, id != ""))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return told
	}
	if got := tell("", 10); !slices.Equal(got, []string{"a k2 true", "b k0 true", "c  true"}) {
		t.Errorf("it tells %q", got)
	}
	if got := tell("a", 1); !slices.Equal(got, []string{"b k0 true"}) {
		t.Errorf("after a it tells %q", got)
	}
}
