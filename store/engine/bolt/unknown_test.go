package bolt_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/tododb/tododb/store/engine"
)

// Of a commit whose outcome is unknown the file tells, also if nobody writes to the database any more, or if it is closed: it stays
// whole, and lets go of the journal.
func TestUnknownCommitAndNoOther(t *testing.T) {
	t.Parallel()
	for _, took := range []bool{false, true} {
		for _, then := range []string{"it stays open", "it is closed", "it is closed, flushed and opened"} {
			dir := t.TempDir()
			e := open(t, dir, neverFlush)
			db := made(t, e, "db")
			put(t, db, "first", "1")
			if err := e.FlushOne("db"); err != nil {
				t.Fatal(err)
			}
			put(t, db, "small", "1")
			if took {
				e.FullAtLast(true)
			} else {
				e.CommitInVain()
			}
			err := db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(space, []byte("large"), make([]byte, 10_000)) })
			if !errors.Is(err, engine.ErrUnknown) {
				t.Fatalf("took %v: %v", took, err)
			}
			e.FullAtLast(false)
			if then != "it stays open" {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if then != "it is closed" {
				if err := e.FlushOne("db"); err != nil {
					t.Errorf("took %v, %s: flush: %v", took, then, err)
				}
				put(t, made(t, e, "other"), "k", "v") // and a segment ends
				if err := e.FlushOne("other"); err != nil {
					t.Error(err)
				}
			}
			if then != "it stays open" {
				if db, err = e.Open(t.Context(), "db"); err != nil {
					t.Errorf("took %v, %s: %v", took, then, err)
					continue
				}
			}
			now := contents(t, db)
			if _, has := now["large"]; now["first"] != "1" || now["small"] != "1" || has != took {
				t.Errorf("took %v, %s: it has %q", took, then, slices.Collect(maps.Keys(now)))
			}
			put(t, db, "after", "1")
			now["after"] = "1"
			again, err := open(t, killedCopy(t, dir), neverFlush).Open(t.Context(), "db")
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, again); !maps.Equal(got, now) {
				t.Errorf("took %v, %s: after a crash it has %q", took, then, slices.Collect(maps.Keys(got)))
			}
			if err := errors.Join(again.Close(), db.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}
