package index_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/index"
)

// While an index that was found damaged is built again, who had waited for it before, or has read a part of it, is told
// so, and does not take it for one without rows.
func TestReadersBehindDamage(t *testing.T) {
	w := boltWorld(t, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	db := w.create(t, "db")
	defer db.Release()
	many(t, db, 50)
	def := keysDefinition()
	var held atomic.Bool
	var once sync.Once
	may, begun := make(chan struct{}), make(chan struct{}) // the second build
	def.NewMapper = func() (index.Mapper, error) {
		if held.Load() {
			once.Do(func() { close(begun) })
			<-may
		}
		return keysMapper{}, nil
	}
	ix := w.open(t, db, def)
	defer ix.Release()
	wait(t, db, ix)
	held.Store(true)
	sub, err := db.OpenSub(t.Context(), "index-keys")
	if err != nil {
		t.Fatal(err)
	}
	err = sub.Update(t.Context(), func(tx engine.Tx) error {
		return errors.Join(tx.DeleteRange(17, nil, nil), tx.Put(17, []byte{0, 1}, []byte{99}))
	})
	if err := errors.Join(err, sub.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := rowsOf(t.Context(), ix); !errors.Is(err, index.ErrRenewed) {
		t.Fatalf("who meets the damage: %v", err)
	}
	for what, read := range map[string]func(context.Context) error{
		"rows":  func(ctx context.Context) error { _, err := rowsOf(ctx, ix); return err },
		"count": func(ctx context.Context) error { _, err := ix.Count(ctx, []index.Range{{}}); return err },
		"changes": func(ctx context.Context) error {
			_, _, err := ix.Changes(ctx, index.ChangesQuery{To: 50, Limit: 10})
			return err
		},
		"reduce": func(ctx context.Context) error {
			return ix.Reduce(ctx, 0, index.ReduceQuery{Ranges: []index.Range{{}}, Limit: -1}, index.GroupsTo{Group: func(*index.Group) error { return nil }})
		},
	} {
		if err := read(t.Context()); !errors.Is(err, index.ErrRenewed) {
			t.Errorf("%s of an index that is built again: %v", what, err)
		}
	}
	for again := false; !again; { // also while its storage is replaced
		select {
		case <-begun:
			again = true
		default:
		}
		if _, err := ix.Info(t.Context()); err != nil {
			t.Errorf("its figures: %v", err)
			break
		}
	}
	held.Store(false)
	close(may)
	wait(t, db, ix)
	if rows, err := rowsOf(t.Context(), ix); len(rows) != 50 || err != nil {
		t.Errorf("afterwards: %d rows, %v", len(rows), err)
	}
}
