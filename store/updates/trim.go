package updates

import (
	"context"

	"github.com/tododb/tododb/store"
)

// trim forgets the databases that were deleted longest ago, when there are a tenth more than are remembered.
// So databases that come and go do not pile up.
func (l *Log) trim(ctx context.Context, db store.Bare) error {
	info, err := db.Info(ctx)
	if err != nil {
		return err
	}
	extra := int(info.DelCount) - l.opt.Deleted
	if extra <= l.opt.Deleted/10 {
		return nil
	}
	if l.trimmed.Epoch != db.Instance() { // the notes have begun anew
		l.trimmed = store.Seq{Epoch: db.Instance()}
	}
	for extra > 0 {
		var gone []store.Latest
		q := store.ChangesQuery{Since: l.trimmed.N, Limit: min(extra, atOnce), Match: func(c *store.Change) (bool, error) { return c.Deleted, nil }}
		end, err := db.Changes(ctx, q, func(c *store.Change) error {
			seq := c.Seq
			gone = append(gone, store.Latest{ID: string(c.ID), Gone: true, If: &seq})
			return nil
		}, func() error { return nil })
		if err != nil || len(gone) == 0 {
			return err
		}
		if err := db.PutLatest(ctx, gone, nil); err != nil {
			return err
		}
		l.trimmed.N = end.Last
		extra -= len(gone)
	}
	return nil
}
