package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/record"
)

// Validate judges a document that is about to be written against the one that it replaces. As
// in CouchDB, new carries the revision and path that it came with; for an interactive edit
// these are the parent's. An attachment whose bytes came along has neither a digest nor a
// revpos. old, with its path, is the revision that the edit names; for a replicated change it
// is the nearest ancestor that is here, for a revival the tombstone; it is nil if there is
// none. refusal refuses the document and becomes Result.Err; err means that the document could
// not be judged.
type Validate func(ctx context.Context, new, old *Document) (refusal, err error)

// Functions of design documents take their time, so validation runs outside any transaction.
// Its basis may have changed when the transaction comes. Then the edit is not written but
// judged again. There is no limit to this: every round in vain means that somebody else has
// written.

// errStale marks, until Write returns, an edit that must be judged again.
var errStale = errors.New("judged by a state that has changed since")

// DesignSeq is the sequence of the newest change to a design document, 0 in a database that never
// had one. It shows whether anything derived from the design documents is still valid.
func (db *DB) DesignSeq(ctx context.Context) (uint64, error) {
	if seq, known := db.designKnown(); known {
		return seq, db.WhyGone()
	}
	return db.readDesignSeq(ctx)
}

func (db *DB) readDesignSeq(ctx context.Context) (seq uint64, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		seq, err = db.designIn(r)
		return err
	})
	return seq, err
}

func readDesign(r engine.Reader) (uint64, error) {
	v, err := r.Get(spaceMeta, metaDesign)
	if err != nil {
		return 0, err
	}
	if v == nil { // not recorded: there is no design document, or it is older than this record
		var seq uint64
		first := engine.Range{From: []byte("_design/"), To: []byte("_design0"), Limit: 1, KeysOnly: true}
		err := r.Scan(spaceDoc, first, func(_, _ []byte) (bool, error) {
			seq = 1
			return false, nil
		})
		return seq, err
	}
	rd := record.Read(v)
	if rd.Byte() != record.Version {
		return 0, corrupt("%s of unknown version", metaDesign)
	}
	seq := rd.Uvarint()
	if rd.Bad {
		return 0, corrupt("%s of %d bytes", metaDesign, len(v))
	}
	return seq, nil
}

// noteDesign keeps Design up to date when a document changes at a sequence.
func (w *writer) noteDesign(id string, seq uint64) error {
	if !strings.HasPrefix(id, "_design/") {
		return nil
	}
	if err := w.restamp(); err != nil {
		return err
	}
	w.design = seq + 1
	w.db.design.Store(0)
	return w.tx.Put(spaceMeta, metaDesign, binary.AppendUvarint([]byte{record.Version}, seq))
}

// verdict is what an edit was judged by.
type verdict struct {
	judged bool
	design uint64      // DB.Design at that time
	old    revtree.Rev // what it replaces, zero for nothing
	moved  bool        // the transaction has found other design documents
	held   bool        // the transaction has looked already, and will not find what it writes itself
	any    bool        // there was no validation function: it may replace anything
}

// asked reports whether there were validation functions.
func (v *verdict) asked() bool { return v.judged && !v.any }

// replacedNode finds what an edit replaces; its Data is nil if there is nothing.
func replacedNode(tree *revtree.Tree, doc *document.Doc, replicated bool) revtree.Node {
	ancestors := doc.Path
	if len(ancestors) == 0 && !doc.Rev.IsZero() {
		ancestors = []revtree.Rev{doc.Rev}
	}
	if !replicated {
		ancestors = ancestors[:min(1, len(ancestors))]
		if winner, ok := tree.Winner(); len(ancestors) == 0 && ok && winner.Deleted {
			return winner
		}
	}
	for _, rev := range ancestors {
		if n, ok := tree.Find(rev); ok && n.Data != nil {
			return n
		}
	}
	return revtree.Node{}
}

// judge lets the handle's validator judge edits. It returns those that passed; the refused ones
// have their results. A first time, where that saves a round trip, it believes what is known of the design
// documents: the transaction finds out if that has changed. Nobody is refused by it, and nobody fails.
func (db *DB) judge(ctx context.Context, pending []pendingEdit, again bool) ([]pendingEdit, error) {
	if db.guard == nil || db.guard.Validator == nil || !slices.ContainsFunc(pending, func(p pendingEdit) bool { return p.validated() }) {
		return pending, nil
	}
	var design uint64
	known := db.facts.Load()
	believed := known != nil && !again
	if believed {
		design = known.design
	} else {
		var err error
		if design, err = db.DesignSeq(ctx); err != nil {
			return nil, err
		}
	}
	validate, err := db.guard.Validator(ctx, Bare{db.base}, design)
	if err != nil {
		return nil, err
	}
	passed := pending[:0]
	for i := range pending {
		p := pending[i]
		p.result.Err = nil
		if p.validated() {
			p.verdict = verdict{judged: true, design: design}
			if validate != nil {
				old, settled, err := db.judgedBy(ctx, &p)
				if err != nil {
					return nil, err
				}
				if old != nil {
					p.verdict.old = old.Rev
				}
				if !settled {
					var fault error
					p.result.Err, fault = validate(ctx, p.shown(), old)
					if (p.result.Err != nil || fault != nil) && believed {
						now, err := db.DesignSeq(ctx)
						if err != nil {
							return nil, err
						}
						if now != design {
							return db.judge(ctx, pending, true) // nothing has been left out of them yet
						}
						believed = false
					}
					if fault != nil {
						return nil, fault // treating it as a refusal would lose a replicated document
					}
				}
			} else {
				p.verdict.any = true
			}
		}
		if p.result.Err == nil {
			passed = append(passed, p)
		}
	}
	return passed, nil
}

// validated reports whether validation functions are asked. As in CouchDB, they are not asked
// for local and design documents.
func (p *pendingEdit) validated() bool {
	return !p.local && !strings.HasPrefix(p.doc.ID, "_design/")
}

// judgedBy reads what an edit replaces. settled says that it needs no judgement: it is a
// replicated revision that is here already, or an ancestor of a dead document, or conflicts because there is no document whose
// revision it names (mustKnow).
func (db *DB) judgedBy(ctx context.Context, p *pendingEdit) (old *Document, settled bool, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		old, settled = nil, false
		v, err := db.record(r, p.doc.ID)
		if err != nil || v == nil {
			settled = !p.replicated && !p.parent.IsZero()
			return err
		}
		rec, err := parseDocRecord(v)
		if err != nil {
			return fmt.Errorf("document %q: %w", p.doc.ID, err)
		}
		tree, err := rec.decode()
		if err != nil {
			return fmt.Errorf("document %q: %w", p.doc.ID, err)
		}
		node := replacedNode(&tree, p.doc, p.replicated)
		if node.Data == nil {
			_, there := tree.Find(p.rev)
			settled = p.replicated && rec.dead() && there
			return nil
		}
		settled = p.replicated && node.Rev == p.rev
		old = &Document{ID: p.doc.ID, Rev: node.Rev, Deleted: node.Deleted, Seq: rec.seq}
		if err := old.describe(r, db, &tree, ReadOptions{Revs: true}); err != nil {
			return err
		}
		return old.readBody(r, node.Data)
	})
	return old, settled, err
}

// shown is the document as validation functions see it.
func (p *pendingEdit) shown() *Document {
	d := &Document{ID: p.doc.ID, Rev: p.doc.Rev, Deleted: p.doc.Deleted, Body: p.doc.Body, Path: p.doc.Path}
	if len(d.Path) > 0 {
		d.Rev = d.Path[0]
	} else if !d.Rev.IsZero() {
		d.Path = []revtree.Rev{d.Rev}
	}
	d.Attachments = slices.Clone(p.atts)
	for i := range d.Attachments {
		if a := &d.Attachments[i]; !p.replicated {
			if _, came := p.staged[a.Digest]; came {
				a.Digest, a.RevPos = Digest{}, 0
			}
		}
	}
	return d
}

// lookAtDesign runs before a transaction writes edits. It compares the design documents with
// those that the edits were judged by.
func (w *writer) lookAtDesign(edits []pendingEdit) (moved bool, err error) {
	if !slices.ContainsFunc(edits, func(p pendingEdit) bool { return p.verdict.judged }) {
		return false, nil
	}
	design, err := w.db.designIn(w.tx)
	if err != nil {
		return false, err
	}
	for i := range edits {
		v := &edits[i].verdict
		v.moved = v.judged && v.design != design
		moved = moved || v.moved
	}
	return moved, nil
}

// stale reports whether an edit would replace something other than it was judged by.
func (p *pendingEdit) stale(tree *revtree.Tree) bool {
	v := &p.verdict
	switch {
	case p.by.moved:
		return true
	case !v.judged:
		return false
	case v.moved:
		return true
	case v.held, v.any:
		return false
	}
	return replacedNode(tree, p.doc, p.replicated).Rev != v.old
}

// holdAll checks all edits before a transaction writes any. It returns false if one has to be
// judged again. What one edit writes does not count against another.
func (w *writer) holdAll(edits []pendingEdit) (bool, error) {
	for i := range edits { // of an earlier run
		edits[i].verdict.held, edits[i].by.held = false, false
	}
	if moved, err := w.lookAtDesign(edits); moved || err != nil {
		return false, err
	}
	all := true
	err := eachDocument(edits, func(edits []pendingEdit) error {
		if !edits[0].by.judged && (!edits[0].verdict.judged || edits[0].verdict.any) {
			return nil
		}
		d, err := w.load(edits[0].doc.ID)
		if err == nil {
			err = w.lookAtStanding(edits, &d.tree)
		}
		if err != nil {
			return err
		}
		for i := range edits {
			all = all && !edits[i].stale(&d.tree)
		}
		return nil
	})
	if err != nil || !all {
		return false, err
	}
	for i := range edits {
		edits[i].verdict.held, edits[i].by.held = true, true
	}
	return true, nil
}
