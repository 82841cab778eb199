package backup_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/backup"
	"github.com/tododb/tododb/store/storetest"
)

// While a database is replaced, it is never away for those who come: they get the old one or the new
// one. A client that got a 404 in between would give up.
func TestReplacedIsNeverAway(t *testing.T) {
	t.Parallel()
	s := storetest.On(t, storetest.SyncedEngine(t), store.Options{})
	db := storetest.Bare(t, s, "db")
	fillWith(t, db, 20)
	var b bytes.Buffer
	if _, err := backup.Capture(t.Context(), db, &b, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var comers sync.WaitGroup
	for range 4 {
		comers.Go(func() {
			for ctx.Err() == nil {
				db, err := storetest.OpenDB(ctx, s, "db")
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				db.Release()
			}
		})
	}
	for range 20 {
		if _, err := backup.Restore(t.Context(), s, "db", bytes.NewReader(b.Bytes()), backup.RestoreOptions{Replace: true}); err != nil {
			t.Error(err)
		}
	}
	stop()
	comers.Wait()
}
