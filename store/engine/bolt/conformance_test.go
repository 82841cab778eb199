package bolt_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/bolt"
	"github.com/tododb/tododb/store/engine/enginetest"
)

func open(t testing.TB, dir string, opt bolt.Options) *bolt.Engine {
	t.Helper()
	e, err := bolt.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// flushing is an engine that brings what is written to the files at any time.
type flushing struct{ *bolt.Engine }

type flushingDB struct {
	engine.DB
	e *bolt.Engine
}

func (e flushing) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	db, err := e.Engine.Create(ctx, name, first...)
	if err != nil {
		return nil, err
	}
	return flushingDB{db, e.Engine}, nil
}

func (e flushing) Open(ctx context.Context, name string) (engine.DB, error) {
	db, err := e.Engine.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return flushingDB{db, e.Engine}, nil
}

func (d flushingDB) Update(ctx context.Context, fn func(engine.Tx) error) error {
	if rand.IntN(2) == 0 {
		_ = d.e.Flush(context.Background()) // it may be closed
	}
	return d.DB.Update(ctx, fn)
}

func TestConformance(t *testing.T) {
	for name, opt := range map[string]bolt.Options{
		"":                     {},
		"flushed all the time": {FlushBytes: 1, FlushAfter: time.Millisecond, JournalBytes: 1, SegmentBytes: 4096},
		"all directly":         {DirectBytes: 1},
		"without a journal":    {Direct: true},
		"some directly":        {DirectBytes: 300},
		"gathered":             {Direct: true, Scattered: 3, GatherFrom: 1, GatherBytes: 2000, GatherAfter: time.Millisecond},
		"gathered by flushes":  {DirectBytes: 300, FlushBytes: 1000, Scattered: 3, GatherFrom: 1, GatherBytes: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt.NoSync = true
			enginetest.Run(t, func(t testing.TB) engine.Engine { return open(t, t.TempDir(), opt) })
		})
	}
	t.Run("flushed between transactions", func(t *testing.T) {
		t.Parallel()
		enginetest.Run(t, func(t testing.TB) engine.Engine {
			return flushing{open(t, t.TempDir(), bolt.Options{NoSync: true, DirectBytes: 300})}
		})
	})
}
