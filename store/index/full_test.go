package index_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/storetest"
)

// fullEngine has a disk with room for only so many more transactions of indexes.
type fullEngine struct {
	engine.Engine
	room *atomic.Int64
}

type fullDB struct {
	engine.DB
	room  *atomic.Int64
	index bool
}

func (e fullEngine) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	return fullDB{db, e.room, false}, err
}

func (e fullEngine) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	return fullDB{db, e.room, false}, err
}

func (d fullDB) Sub(ctx context.Context, name string) (engine.DB, error) {
	sub, err := d.DB.Sub(ctx, name)
	return fullDB{sub, d.room, true}, err
}

func (d fullDB) Update(ctx context.Context, fn func(engine.Tx) error) error {
	if d.index && d.room.Add(-1) < 0 {
		return fmt.Errorf("%w: for the test", engine.ErrFull)
	}
	return d.DB.Update(ctx, fn)
}

// If the disk has no room for a first build, the build says so and leaves the disk to others.
func TestFirstBuildOnFullDisk(t *testing.T) {
	var room atomic.Int64
	room.Store(3)
	w := newWorld(t, fullEngine{storetest.Engine(t), &room}, index.Options{Delay: time.Hour, Scratch: t.TempDir()})
	w.m.SetBatches(10, 500)
	db := w.create(t, "db")
	defer db.Release()
	const docs = 150
	many(t, db, docs)
	ix, err := w.m.Open(t.Context(), db, keysDefinition())
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Release()
	info, err := db.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Wait(t.Context(), info.UpdateSeq); !errors.Is(err, store.ErrFull) {
		t.Fatalf("built: %v", err)
	}
	if room.Load() > 0 {
		t.Fatal("nothing was loaded: the test shows nothing")
	}
	if left := dump(t, db, "keys"); len(left) > 0 {
		t.Errorf("%d records are left on the disk", len(left))
	}
	room.Store(1 << 30)
	wait(t, db, ix)
	if rows, err := rowsOf(t.Context(), ix); len(rows) != docs || err != nil {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}
