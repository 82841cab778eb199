package store

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// RevsDiff finds, for each document, which of the given revisions are not here, and which
// leaves could be their ancestors. It calls fn in the order of ids, inside a snapshot, also for
// documents with nothing missing.
//
// Who asks about a revision that a dead document's tombstone replaced has the document as it was. So
// the tombstone comes back into the feed, if the handle may write it, before RevsDiff returns.
func (db *DB) RevsDiff(ctx context.Context, ids []string, revs [][]revtree.Rev, fn func(i int, missing, possibleAncestors []revtree.Rev) error) error {
	if err := db.checkIDs(ids); err != nil {
		return err
	}
	const part = 256
	for from := 0; from < len(ids); from += part {
		some := ids[from:min(from+part, len(ids))]
		keys := make([][]byte, len(some))
		for i, id := range some {
			keys[i] = []byte(id)
		}
		var recall []string
		err := db.view(ctx, func(r engine.Reader) error {
			recall = nil
			return r.GetMulti(spaceDoc, keys, func(i int, v []byte) (err error) {
				alive := v != nil
				if !alive {
					if v, err = db.dead(r, some[i]); err != nil {
						return err
					}
				}
				if v == nil {
					return fn(from+i, revs[from+i], nil)
				}
				if hidden, err := db.hides(r, some[i], v); err != nil {
					return err
				} else if hidden { // the document is hidden from this handle
					return fn(from+i, revs[from+i], nil)
				}
				missing, ancestors, err := missingOf(v, revs[from+i])
				if err != nil {
					return fmt.Errorf("document %q: %w", some[i], err)
				}
				if !alive && len(missing) < len(revs[from+i]) {
					if recall, err = appendUnaware(recall, some[i], v, revs[from+i]); err != nil {
						return err
					}
				}
				return fn(from+i, missing, ancestors)
			})
		})
		if err == nil && len(recall) > 0 {
			err = db.recall(ctx, recall)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hides reports whether the handle hides the winner of a document.
func (db *DB) hides(r engine.Reader, id string, record []byte) (bool, error) {
	if !db.Hides() {
		return false, nil
	}
	winner, err := db.readDocument(r, id, record, ReadOptions{Deleted: true})
	if err != nil {
		return false, err
	}
	visible, err := db.guard.Read(winner)
	return !visible || err != nil, nil
}

func missingOf(record []byte, revs []revtree.Rev) (missing, ancestors []revtree.Rev, err error) {
	rec, err := parseDocRecord(record)
	if err != nil {
		return nil, nil, err
	}
	if len(revs) == 1 && revs[0] == rec.winner {
		return nil, nil, nil // the usual question of replication: do we have its newest?
	}
	tree, err := rec.decode()
	if err != nil {
		return nil, nil, err
	}
	missing, ancestors = tree.Missing(revs)
	return missing, ancestors, nil
}
