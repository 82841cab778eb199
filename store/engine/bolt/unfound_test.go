package bolt_test

import (
	"errors"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// A process that has too many files open to open the one that it has just made for a database goes on without one.
func TestNewFileCannotBeOpened(t *testing.T) {
	t.Parallel()
	large := func(tx engine.Tx) error { return tx.Put(space, []byte("large"), make([]byte, 10_000)) }
	for how, bring := range map[string]func(*testing.T, engine.DB) error{
		"a flush":       nil,
		"a large write": func(t *testing.T, db engine.DB) error { return db.Update(t.Context(), large) },
	} {
		dir := t.TempDir()
		e := open(t, dir, neverFlush)
		db := made(t, e, "db")
		put(t, db, "first", "1")
		if bring == nil {
			bring = func(*testing.T, engine.DB) error { return e.FlushOne("db") }
		}
		e.OpenInVain(true)
		if err := bring(t, db); !errors.Is(err, engine.ErrTooManyOpen) {
			t.Errorf("%s: %v", how, err)
		}
		put(t, db, "meanwhile", "1")
		e.OpenInVain(false)
		if err := bring(t, db); err != nil {
			t.Errorf("%s: when there are fewer: %v", how, err)
		}
		put(t, db, "after", "1")
		if now := contents(t, db); now["first"] != "1" || now["meanwhile"] != "1" || now["after"] != "1" {
			t.Errorf("%s: it has %d entries", how, len(now))
		}
		again, err := open(t, killedCopy(t, dir), neverFlush).Open(t.Context(), "db")
		if err != nil {
			t.Fatal(err)
		}
		if got := contents(t, again); got["first"] != "1" || got["meanwhile"] != "1" || got["after"] != "1" {
			t.Errorf("%s: after a crash it has %d entries", how, len(got))
		}
		if err := errors.Join(again.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}
