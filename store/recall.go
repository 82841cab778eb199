package store

import (
	"context"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
)

// appendUnaware appends the id of a dead document if one of these revisions is not a leaf of it: the
// peer that has it as a leaf does not know the tombstone, and it is no longer in the feed.
func appendUnaware(ids []string, id string, record []byte, revs []revtree.Rev) ([]string, error) {
	rec, err := parseDocRecord(record)
	if err != nil {
		return ids, err
	}
	tree, err := rec.decode()
	if err != nil {
		return ids, err
	}
	for _, rev := range revs {
		if _, there := tree.Find(rev); there && !tree.IsLeaf(rev) {
			return append(ids, id), nil
		}
	}
	return ids, nil
}

// recall brings the tombstones of dead documents back into the feed, those that the handle might
// write itself.
func (db *DB) recall(ctx context.Context, ids []string) error {
	var look standings
	allowed := ids[:0]
	for _, id := range ids {
		e := Edit{Doc: document.Tombstone(id)}
		_, refusal, err := db.takes(ctx, &e, WriteOptions{Replicated: true}, &look)
		if err != nil {
			return err
		}
		if refusal == nil {
			allowed = append(allowed, id)
		}
	}
	if len(allowed) == 0 {
		return nil
	}
	return db.commits.submit(ctx, &op{docs: len(allowed), bytes: 256 * len(allowed), apply: func(w *writer) error {
		for _, id := range allowed {
			if err := w.recall(id); err != nil {
				return err
			}
		}
		return nil
	}})
}
