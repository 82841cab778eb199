package store

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// Conflict is what a client needs to merge an edit that was refused.
type Conflict struct {
	Winner *Document // the present winner, perhaps a tombstone; nil: there is no such document
	// Ancestor is the newest revision that both the winner and the revision to be replaced
	// descend from. It may be one of the two; it is zero if none is known.
	Ancestor     revtree.Rev
	AncestorBody *Document // nil if its body is no longer here
}

// ConflictOf reads, in one snapshot, the state that an edit of a document with the parent given
// conflicts with.
func (db *DB) ConflictOf(ctx context.Context, id string, given revtree.Rev) (c Conflict, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		c = Conflict{}
		v, err := db.record(r, id)
		if err != nil || v == nil {
			return err
		}
		winner, err := db.readDocument(r, id, v, ReadOptions{Deleted: true})
		if err != nil {
			return err
		}
		if db.see(winner) != nil {
			return nil // the document is hidden from this handle
		}
		if c.Winner = winner; given.IsZero() {
			return nil
		}
		rec, err := parseDocRecord(v)
		if err != nil {
			return fmt.Errorf("document %q: %w", id, err)
		}
		tree, err := rec.decode()
		if err != nil {
			return fmt.Errorf("document %q: %w", id, err)
		}
		node, ok := commonAncestor(&tree, c.Winner.Rev, given)
		if !ok {
			return nil
		}
		c.Ancestor = node.Rev
		if node.Data == nil {
			return nil
		}
		body := &Document{ID: id, Rev: node.Rev, Deleted: node.Deleted, Seq: rec.seq}
		if err := body.readBody(r, node.Data); err != nil {
			return err
		}
		if db.see(body) == nil {
			c.AncestorBody = body
		}
		return nil
	})
	return c, err
}

// commonAncestor finds the newest node on the paths of both revisions.
func commonAncestor(tree *revtree.Tree, a, b revtree.Rev) (revtree.Node, bool) {
	mine := map[revtree.Rev]bool{}
	for _, r := range tree.Path(a) {
		mine[r] = true
	}
	for _, n := range tree.PathNodes(b) {
		if mine[n.Rev] {
			return n, true
		}
	}
	return revtree.Node{}, false
}
