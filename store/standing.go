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

// Standing is what there is of a document when an edit of it comes, whoever may see it,
// and what whoever brings the edit is to its database.
//
// An edit that is judged by its ancestor alone goes around whatever has been decided since:
// with new_edits=false it may name any revision that was ever there. So all that stands
// counts.
type Standing struct {
	// Docs are what the edit replaces, if that is here (the revision that it names, for a
	// revival the tombstone, for a replicated change the nearest ancestor); the winner, be
	// it a tombstone; and every other leaf that lives; each once. There are none of a new
	// document, nor of a local one. Of an edit that conflicts, and will be refused for that
	// whatever the guard says, there is only what it would replace.
	Docs []*Document
	// Admin tells that Guard.Admin takes whoever it is for an administrator.
	Admin bool
}

// stoodBy is what Guard.Write has judged an edit by, for the transaction to compare.
type stoodBy struct {
	judged bool
	leaves []revtree.Rev // all of them, in their order
	admin  bool
	loses  bool // the edit conflicts, and was judged as one that does
	moved  bool // the transaction has found something else
	held   bool // the transaction has looked already, and will not find what it writes itself
}

// standings reads what there is of documents, each once for edits of it that follow each
// other.
type standings struct {
	id     string
	known  bool
	rec    docRecord
	tree   revtree.Tree
	leaves []revtree.Rev
	docs   []*Document // the winner and the leaves that live
	admin  bool
}

func (s *standings) of(ctx context.Context, db *DB, doc *document.Doc, replicated bool) (now Standing, by stoodBy, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		if !s.known || s.id != doc.ID {
			if err := s.read(r, db.guard, doc.ID); err != nil {
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
			// The one that is replaced stands first.
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

// conflicts tells of an interactive edit whether it is refused by a tree.
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

// boolOrder puts what is true first.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (s *standings) read(r engine.Reader, g *Guard, id string) error {
	*s = standings{id: id, admin: g.Admin == nil}
	if g.Admin != nil {
		security, err := readSecurity(r)
		if err != nil {
			return err
		}
		s.admin = g.Admin(security) == nil
	}
	if strings.HasPrefix(id, "_local/") {
		s.known = true
		return nil
	}
	v, err := r.Get(spaceDoc, []byte(id))
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

// lookAtStanding compares, before a transaction writes any of the edits of a document,
// what there is of it with what they were judged by.
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
			security, err := readSecurity(w.tx)
			if err != nil {
				return err
			}
			by.moved = by.admin != (admin(security) == nil)
		}
	}
	return nil
}
