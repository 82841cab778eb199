package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

const reason store.Reason = "a test"

// Open opens an empty store on an Engine, or on PostgreSQL where TODODB_TEST_ENGINE=pg.
func Open(t testing.TB, opt store.Options) *store.Store {
	t.Helper()
	if onPostgreSQL {
		return On(t, Engines["pg"](t), opt)
	}
	return On(t, Engine(t), opt)
}

// On opens a store on an engine. When the test ends, both close.
func On(t testing.TB, e engine.Engine, opt store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), e, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), e.Close()); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// Several opens stores on engines that share their databases, one on each, as several processes do. When
// the test ends, all close.
func Several(t testing.TB, engines []engine.Engine, opt store.Options) []*store.Store {
	t.Helper()
	all := make([]*store.Store, len(engines))
	for i := range all {
		s, err := store.Open(t.Context(), engines[i], opt)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = s
	}
	t.Cleanup(func() {
		for i, s := range all {
			if err := errors.Join(s.Close(), engines[i].Close()); err != nil {
				t.Errorf("close a store: %v", err)
			}
		}
	})
	return all
}

// DB opens a database, and makes it if it is not there. The handle shows and takes
// everything. It is released when the test ends.
func DB(t testing.TB, s *store.Store, name string) *store.DB {
	t.Helper()
	return Bare(t, s, name).Unguarded()
}

// Bare opens a database as DB does, for what is built on handles of this kind.
func Bare(t testing.TB, s *store.Store, name string) store.Bare {
	t.Helper()
	db, err := s.Bare(t.Context(), name, reason)
	if errors.Is(err, store.ErrNoDB) {
		if err := s.Create(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		db, err = s.Bare(t.Context(), name, reason)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Release)
	return db
}

// OpenDB opens a database that is there, for a test that releases the handle itself.
func OpenDB(ctx context.Context, s *store.Store, name string) (*store.DB, error) {
	db, err := s.Bare(ctx, name, reason)
	return db.Unguarded(), err
}
