package index

import (
	"context"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

// Check reports the indexes that do not belong to the present state of their database, by the names
// of their storages: somebody put back or exchanged the files of the index or of the database. Such
// an index is rebuilt when it is next opened. The database's own Check tells whether the storage is
// sound.
func Check(ctx context.Context, db store.Bare, report func(name, why string)) error {
	return db.ReadSubs(ctx, func(name string, r engine.Reader, err error) error {
		if err != nil || !strings.HasPrefix(name, subPrefix) {
			return ctx.Err()
		}
		st, found, err := readState(r, 0)
		if err != nil || !found {
			return ctx.Err()
		}
		why, err := foreign(ctx, db, &st)
		if why != "" {
			report(name, why)
		}
		return err
	})
}
