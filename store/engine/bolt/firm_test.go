package bolt

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
)

// After a commit whose last sync has failed, the beginning of the file is written and synced once more before anything else is
// written: what it needed before may be free now. If that fails, nobody writes, until the disk is back.
func TestNothingIsWrittenOverAnUnknownCommit(t *testing.T) {
	t.Parallel()
	small := func(tx engine.Tx) error { return tx.Put(1, []byte("small"), []byte("v")) }
	large := func(tx engine.Tx) error { return tx.Put(1, []byte("large"), make([]byte, 10_000)) }
	for _, flushed := range []bool{false, true} { // what failed was a flush
		for _, took := range []bool{false, true} {
			e, err := Open(t.TempDir(), Options{FlushAfter: time.Hour, DirectBytes: 5000})
			if err != nil {
				t.Fatal(err)
			}
			db, err := e.Create(t.Context(), "db")
			if err == nil {
				err = e.Flush(t.Context())
			}
			if err == nil {
				err = db.Update(t.Context(), small)
			}
			if err != nil {
				t.Fatal(err)
			}
			if took {
				e.FullAtLast(true)
			} else {
				e.CommitInVain()
			}
			if flushed {
				err = e.FlushOne("db")
			} else {
				err = db.Update(t.Context(), large)
			}
			if !errors.Is(err, engine.ErrUnknown) {
				t.Fatalf("flushed %v, took %v: %v", flushed, took, err)
			}
			long := time.Now().Add(-time.Hour)
			if err := os.Chtimes(e.path("db"), long, long); err != nil {
				t.Fatal(err)
			}
			var order []string
			var fails error
			e.commit = func(tx *bbolt.Tx) error {
				order = append(order, "commit")
				return tx.Commit()
			}
			e.sync = func(b *bbolt.DB) error {
				what := "sync"
				if info, err := os.Stat(b.Path()); err == nil && time.Since(info.ModTime()) < time.Minute {
					what = "sync what was written again"
				}
				order = append(order, what)
				return errors.Join(fails, b.Sync())
			}
			fails = syscall.EIO
			if err := db.Update(t.Context(), large); !errors.Is(err, engine.ErrUnavailable) || slices.Contains(order, "commit") {
				t.Errorf("flushed %v, took %v: the disk has failed again: %v, %q", flushed, took, err, order)
			}
			fails, order = nil, nil
			if err := db.Update(t.Context(), large); err != nil || !slices.Equal(order, []string{"sync what was written again", "commit"}) {
				t.Errorf("flushed %v, took %v: %v, %q", flushed, took, err, order)
			}
			if err := errors.Join(db.Close(), e.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}

// A commit that took place, though nobody knew, keeps no journal: whatever becomes of the transaction that finds out, and if the
// disk is not back before the database is closed.
func TestUnknownCommitThatTookPlaceKeepsNoJournal(t *testing.T) {
	t.Parallel()
	for _, took := range []bool{false, true} {
		for _, then := range []string{"a write fails", "it is closed", "it is closed and opened"} {
			e, err := Open(t.TempDir(), Options{NoSync: true, FlushAfter: time.Hour, DirectBytes: 5000, Noticed: func(what string) {
				t.Errorf("took %v, %s: %s", took, then, what)
			}})
			if err != nil {
				t.Fatal(err)
			}
			db, err := e.Create(t.Context(), "db")
			if err == nil {
				err = e.Flush(t.Context())
			}
			put := func(k string, size int) error {
				return db.Update(t.Context(), func(tx engine.Tx) error { return tx.Put(1, []byte(k), make([]byte, size)) })
			}
			if err == nil {
				err = put("small", 1)
			}
			if err != nil {
				t.Fatal(err)
			}
			if took {
				e.FullAtLast(true)
			} else {
				e.CommitInVain()
			}
			if err := put("large", 10_000); !errors.Is(err, engine.ErrUnknown) {
				t.Fatal(err)
			}
			e.FullAtLast(false)
			f := e.files[e.path("db")]
			if then == "a write fails" {
				fails := errors.New("it does not want to")
				if err := db.Update(t.Context(), func(engine.Tx) error { return fails }); !errors.Is(err, fails) {
					t.Error(err)
				}
			} else {
				f.bolt.NoSync = false // so that it is synced, in vain
				e.sync = func(*bbolt.DB) error { return syscall.EIO }
				if err := db.Close(); err != nil {
					t.Error(err)
				}
				e.sync = (*bbolt.DB).Sync
			}
			if then != "it is closed and opened" {
				if err := e.Flush(t.Context()); err != nil || e.Figures().Databases != 0 {
					t.Errorf("took %v, %s: %v, and the journal is needed for %d databases", took, then, err, e.Figures().Databases)
				}
			}
			if then != "a write fails" {
				if db, err = e.Open(t.Context(), "db"); err != nil {
					t.Fatalf("took %v, %s: %v", took, then, err)
				}
			}
			err = db.View(t.Context(), func(r engine.Reader) error {
				small, err := r.Get(1, []byte("small"))
				large, also := r.Get(1, []byte("large"))
				if small == nil || (large != nil) != took {
					t.Errorf("took %v, %s: it has the small one %v, the large one %v", took, then, small != nil, large != nil)
				}
				return errors.Join(err, also)
			})
			if err := errors.Join(err, put("after", 1), db.Close(), e.Close()); err != nil {
				t.Errorf("took %v, %s: %v", took, then, err)
			}
		}
	}
}
