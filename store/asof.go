package store

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// AsOf reads a document as it was when the database had reached a sequence: the winner of the
// revisions that were there. The error is ErrMissing if there was no document, or if its
// revision of that time is not kept any more, and ErrDeleted if it was deleted. Document.Seq is the
// sequence since which the document had been so.
//
// Revisions are kept until compaction, so AsOf serves a reader that wants to stay with what it
// saw a moment ago.
func (db *DB) AsOf(ctx context.Context, id string, seq uint64) (*Document, error) {
	if err := db.CheckID(id); err != nil {
		return nil, err
	}
	var d *Document
	err := db.view(ctx, func(r engine.Reader) error {
		v, err := db.record(r, id)
		if err != nil {
			return err
		}
		d, err = readAsOf(r, id, v, seq)
		return err
	})
	if err == nil {
		err = db.see(d)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// readAsOf reads a document given its record, nil if there is none.
func readAsOf(r engine.Reader, id string, record []byte, seq uint64) (*Document, error) {
	if record == nil {
		return nil, ErrMissing
	}
	rec, err := parseDocRecord(record)
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", id, err)
	}
	tree, err := rec.decode()
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", id, err)
	}
	then, since, err := treeAsOf(&tree, seq)
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", id, err)
	}
	winner, found := then.Winner()
	switch {
	case !found:
		return nil, ErrMissing
	case winner.Deleted:
		return nil, ErrDeleted
	}
	d := &Document{ID: id, Rev: winner.Rev, Seq: since}
	return d, d.readBody(r, winner.Data)
}

// treeAsOf is the part of a tree that was there at a sequence: of each branch, the newest
// revision that had been written by then, with its ancestors. since is when the newest of them was
// written.
func treeAsOf(tree *revtree.Tree, seq uint64) (then revtree.Tree, since uint64, err error) {
	for _, leaf := range tree.Leaves() {
		for _, n := range tree.PathNodes(leaf.Rev) {
			if n.Data == nil {
				continue
			}
			ref, err := parseBodyRef(n.Data)
			if err != nil {
				return then, 0, err
			}
			if ref.seq > seq {
				continue
			}
			if _, err := then.Merge(tree.Path(n.Rev), n.Deleted, n.Data); err != nil {
				return then, 0, err
			}
			since = max(since, ref.seq)
			break
		}
	}
	return then, since, nil
}
