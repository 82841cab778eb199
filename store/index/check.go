package index

import (
	"context"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

// Check reports the indexes of a database that do not belong to it as it is now, each by the name
// of its storage: the files of one of them have been put back or exchanged. They are built anew
// when they are next opened. Whether their storage is sound is the database's own Check.
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
