package store_test

import (
	"context"

	"github.com/tododb/tododb/store"
)

// bare opens a database with a handle that shows and accepts everything.
func bare(ctx context.Context, s *store.Store, name string) (*store.DB, error) {
	db, err := s.Bare(ctx, name, "a test")
	return db.Unguarded(), err
}
