package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
)

// Standing is the state of a document when an edit of it comes, whatever the user may see of
// it, and whether the user administers the database.
//
// A judgement by the edit's ancestor alone would miss everything decided since: with
// new_edits=false an edit may name any revision that was ever there. So every living leaf
// counts.
type Standing struct {
	// Docs holds each of these once: what the edit replaces, if it is here (the revision that
	// the edit names, for a revival the tombstone, for a replicated change the nearest
	// ancestor); the winner, even a tombstone; and every other living leaf. It is empty for a
	// new or a local document. An edit that conflicts will be refused whatever the guard says:
	// for it, Docs holds only what it would replace.
	Docs []*Document
	// Admin says that Guard.Admin accepts the user as an administrator.
	Admin bool
}

// stoodBy is what Guard.Write judged an edit by, for the transaction to compare.
type stoodBy struct {
	judged bool
	leaves []revtree.Rev // all of them, in their order
	admin  bool
	loses  bool // the edit conflicts, and was judged as a conflict
	moved  bool // the transaction has found something else
	held   bool // the transaction has looked already, and will not find what it writes itself
}

// standings reads the state of documents, once for consecutive edits of the same one.
type standings struct {
	id     string
	known  bool
	rec    docRecord
	tree   revtree.Tree
	leaves []revtree.Rev
	docs   []*Document // the winner and the other living leaves
	admin  bool
}

func (s *standings) of(ctx context.Context, db *DB, doc *document.Doc, replicated bool) (now Standing, by stoodBy, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		if !s.known || s.id != doc.ID {
			if err := s.read(r, db, doc.ID); err != nil {
				return err
			}
		}
		now.Docs, now.Admin = s.docs, s.admin
		node := replacedNode(&s.tree, doc, replicated)
		if by.loses = !replicated && conflicts(&s.tree, doc); by.loses {
			now.Docs = nil
			if node.Data == nil {
				return nil
			}
			old, err := s.document(r, node)
			now.Docs = []*Document{old}
			return err
		}
		if node.Data == nil || slices.ContainsFunc(s.docs, func(d *Document) bool { return d.Rev == node.Rev }) {
			// The replaced one comes first.
			now.Docs = slices.Clone(s.docs)
			slices.SortStableFunc(now.Docs, func(a, b *Document) int {
				return boolOrder(a.Rev == node.Rev, b.Rev == node.Rev)
			})
			return nil
		}
		old, err := s.document(r, node)
		now.Docs = append([]*Document{old}, s.docs...)
		return err
	})
	by.judged, by.leaves, by.admin = true, s.leaves, s.admin
	return now, by, err
}

// conflicts reports whether a tree refuses an interactive edit.
func conflicts(tree *revtree.Tree, doc *document.Doc) bool {
	winner, there := tree.Winner()
	parent := doc.Rev
	if len(doc.Path) > 0 {
		parent = doc.Path[0]
	}
	switch {
	case !there:
		return false
	case parent.IsZero(): // else a revival
		return !winner.Deleted || doc.Deleted
	}
	// A tombstone may be edited only while another leaf lives.
	return winner.Deleted || !tree.IsLeaf(parent)
}

// boolOrder puts true first.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (s *standings) read(r engine.Reader, db *DB, id string) error {
	g := db.guard
	*s = standings{id: id, admin: g.Admin == nil}
	if g.Admin != nil {
		security, err := db.securityIn(r)
		if err != nil {
			return err
		}
		s.admin = g.Admin(security) == nil
	}
	if strings.HasPrefix(id, "_local/") {
		s.known = true
		return nil
	}
	v, err := db.record(r, id)
	if err != nil {
		return err
	}
	if v != nil {
		if s.rec, err = parseDocRecord(slices.Clone(v)); err != nil {
			return fmt.Errorf("document %q: %w", id, err)
		}
		if s.tree, err = s.rec.decode(); err != nil {
			return fmt.Errorf("document %q: %w", id, err)
		}
	}
	for i, leaf := range s.tree.Leaves() {
		s.leaves = append(s.leaves, leaf.Rev)
		if i > 0 && leaf.Deleted {
			continue
		}
		d, err := s.document(r, leaf)
		if err != nil {
			return err
		}
		s.docs = append(s.docs, d)
	}
	s.known = true
	return nil
}

func (s *standings) document(r engine.Reader, node revtree.Node) (*Document, error) {
	d := &Document{ID: s.id, Rev: node.Rev, Deleted: node.Deleted, Seq: s.rec.seq}
	return d, d.readBody(r, node.Data)
}

// lookAtStanding runs before a transaction writes any edit of a document. It compares the
// document's state with the one that the edits were judged by.
func (w *writer) lookAtStanding(edits []pendingEdit, tree *revtree.Tree) error {
	var leaves []revtree.Rev
	for i := range edits {
		by := &edits[i].by
		if !by.judged || by.held {
			continue
		}
		if leaves == nil {
			for _, leaf := range tree.Leaves() {
				leaves = append(leaves, leaf.Rev)
			}
		}
		by.moved = !edits[i].local && !slices.Equal(leaves, by.leaves)
		if admin := edits[i].guard.Admin; admin != nil && !by.moved {
			security, err := w.db.securityIn(w.tx)
			if err != nil {
				return err
			}
			by.moved = by.admin != (admin(security) == nil)
		}
	}
	return nil
}
