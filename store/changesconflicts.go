package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// gatherConflicts reads the next entries of documents in conflict.
func (c *changesRead) gatherConflicts(r engine.Reader) (more bool, err error) {
	if bytes.Compare(c.from, c.to) >= 0 {
		return false, nil
	}
	n := min(c.q.pageRows(), snapshotRows)
	if c.left > 0 && !c.q.judged() {
		n = min(n, c.left)
	}
	var keys, entries [][]byte
	rg := engine.Range{From: c.from, To: c.to, Reverse: c.q.Descending, Limit: n + 1}
	err = r.Scan(spaceConflict, rg, func(k, v []byte) (bool, error) {
		if more = len(keys) == n; more {
			return false, nil
		}
		keys, entries = append(keys, k), append(entries, v)
		return true, nil
	})
	if err != nil || len(keys) == 0 {
		return false, err
	}
	var size int64
	err = r.GetMulti(spaceSeq, keys, func(i int, v []byte) error {
		if v == nil {
			return corrupt("a conflict at %x, where no document stands", keys[i])
		}
		rows := len(c.rows)
		one, err := c.add(keys[i], v)
		if err != nil {
			return err
		}
		if len(c.rows) == rows {
			return corrupt("a conflict at %x, where a marker stands", keys[i])
		}
		if c.rows[rows].ancestors, err = parseConflict(entries[i]); err != nil {
			return fmt.Errorf("conflict at %x: %w", keys[i], err)
		}
		if size += one; size >= snapshotBytes && i+1 < len(keys) {
			keys, more = keys[:i+1], true // the others are the next page's
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough {
		return false, err
	}
	last := keys[len(keys)-1]
	if c.q.Descending {
		c.to = bytes.Clone(last)
		return more, nil
	}
	seq, err := seqOfKey(last)
	c.from = seqKey(seq + 1)
	return more, err
}

// ancestors are the common ancestors of the leaves that are shown.
func (c *changesRead) ancestors(r engine.Reader, row *changeRow, shown []revtree.Rev) ([]revtree.Rev, error) {
	if len(shown) == len(row.ancestors)+1 {
		return row.ancestors, nil
	}
	v, err := r.Get(spaceDoc, row.entry.id)
	if err != nil || v == nil {
		return nil, err
	}
	rec, err := parseDocRecord(v)
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", row.entry.id, err)
	}
	tree, err := rec.decode()
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", row.entry.id, err)
	}
	return tree.CommonAncestors(shown[0], shown[1:]), nil
}

// ConflictCount is how many documents are in conflict, as far as they are shown. It costs a look at
// each of them, and if the handle may hide some, at their leaves.
func (db *DB) ConflictCount(ctx context.Context) (int, error) {
	if err := db.awaitConflicts(ctx); err != nil {
		return 0, err
	}
	return db.countConflicts(ctx, 0)
}

// countConflicts counts the documents in conflict after a sequence. Those that are hidden do not
// count: otherwise the number would tell of them.
func (db *DB) countConflicts(ctx context.Context, after uint64) (n int, err error) {
	if db.Hides() {
		q := ChangesQuery{Since: after, InConflict: true, Limit: -1}
		_, err := db.Changes(ctx, q, func(*Change) error { n++; return nil }, ctx.Err)
		return n, err
	}
	err = db.view(ctx, func(r engine.Reader) error {
		n = 0
		return r.Scan(spaceConflict, engine.Range{From: seqKey(after + 1), KeysOnly: true, Brief: true}, func(_, _ []byte) (bool, error) {
			n++
			return true, nil
		})
	})
	return n, err
}

// Branches are the leaves of a document that live.
type Branches struct {
	Seq  uint64        // of the document's newest change
	Revs []revtree.Rev // the winner first; more than one: the document is in conflict
	// Ancestors are the nearest common ancestor of Revs[0] and each of the others, zero where none is
	// known.
	Ancestors []revtree.Rev
}

// Branches reads which leaves of a document live, as far as they are shown. The error is ErrMissing if
// there are none.
func (db *DB) Branches(ctx context.Context, id string) (b Branches, err error) {
	if err := db.CheckID(id); err != nil {
		return b, err
	}
	err = db.view(ctx, func(r engine.Reader) error {
		b = Branches{}
		v, err := r.Get(spaceDoc, []byte(id))
		if err != nil || v == nil {
			return err
		}
		rec, err := parseDocRecord(v)
		if err != nil {
			return fmt.Errorf("document %q: %w", id, err)
		}
		tree, err := rec.decode()
		if err != nil {
			return fmt.Errorf("document %q: %w", id, err)
		}
		b.Seq = rec.seq
		for _, l := range living(tree.Leaves()) {
			if db.Hides() {
				d := &Document{ID: id, Rev: l.Rev, Seq: rec.seq}
				if err := d.readBody(r, l.Data); err != nil {
					return err
				}
				if db.see(d) != nil {
					continue
				}
			}
			b.Revs = append(b.Revs, l.Rev)
		}
		if len(b.Revs) > 1 {
			b.Ancestors = tree.CommonAncestors(b.Revs[0], b.Revs[1:])
		}
		return nil
	})
	if err == nil && len(b.Revs) == 0 {
		err = ErrMissing
	}
	return b, err
}
