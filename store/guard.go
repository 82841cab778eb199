package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tododb/tododb/store/engine"
)

// Guard stands between a handle and its database, for whoever the handle was made
// for. It is asked on every way in and every way out: by Write for each edit,
// interactive or replicated, and by Get, OpenRevs, GetMany, GetLocal, AllDocs,
// DocsByKeys, RevsDiff and Changes for each revision, also where only ids are listed. Whoever
// adds a method to DB that takes or gives documents asks it there too (see, takes).
//
// The bytes of attachments are read by digest, and a digest is only to be had from a
// document that was shown.
type Guard struct {
	// Write judges an edit before it is written, and may change its document
	// (document.Doc.SetBody). Old is what the edit replaces: the revision it names, for a
	// revival the tombstone, for a replicated change the nearest ancestor that is here or,
	// if none is, the winner that it will compete with; nil if there is nothing. An error refuses this edit and becomes Result.Err. It is called
	// outside any transaction. That is sound, because an edit whose parent is no longer a
	// leaf conflicts. nil: all is taken.
	Write func(ctx context.Context, old *Document, e *Edit, opt WriteOptions) error

	// Admin tells, by the database's security object as it stands (nil if it was never set),
	// whether whoever the handle was made for administers the database; an error says why
	// not, and refuses each edit of a design document, tombstones and replicated changes too.
	// It is asked once more within the transaction that writes, so it does no I/O. nil: he
	// does.
	Admin func(security []byte) error

	// Design, if not nil, judges the body of a design document that is about to be written,
	// after Admin and before anybody else does.
	Design func(body []byte) error

	// Validator, if not nil, gives what judges the documents that Write has taken, but for
	// local and design documents, by the functions of the database's design documents; nil
	// if none of those has one. db is the handle without guard, design is what DB.Design
	// gave. An edit is written only if the transaction finds the design documents, and
	// what the edit replaces, as they were when it was judged; else it is judged again.
	Validator func(ctx context.Context, db *DB, design uint64) (Validate, error)

	// Read judges a revision that is about to be shown, and may replace its Body and
	// Attachments; it must not change their bytes. A revision that is not visible is
	// answered as a missing one, and left out of ranges and feeds. An error is given for
	// the one who reads that revision, and leaves it out of ranges and feeds. It may be
	// called inside a snapshot: it does no I/O. nil: all is shown.
	Read func(*Document) (visible bool, err error)
}

// Guarded makes a handle that asks g. It takes the place of db: one of the two is
// released, and the other not used any more. The guards of both are asked, db's first; of
// Design and Validator that of db, if it has one.
func (db *DB) Guarded(g *Guard) *DB {
	if g == nil {
		return db
	}
	if db.guard != nil {
		g = db.guard.and(g)
	}
	return &DB{database: db.database, guard: g}
}

// and asks both.
func (g *Guard) and(other *Guard) *Guard {
	both := &Guard{Admin: g.Admin, Read: g.Read, Write: g.Write, Validator: g.Validator, Design: g.Design}
	if g.Admin == nil {
		both.Admin = other.Admin
	} else if other.Admin != nil {
		both.Admin = func(security []byte) error {
			if err := g.Admin(security); err != nil {
				return err
			}
			return other.Admin(security)
		}
	}
	if g.Design == nil {
		both.Design = other.Design
	}
	if g.Validator == nil {
		both.Validator = other.Validator
	}
	if g.Read == nil {
		both.Read = other.Read
	} else if other.Read != nil {
		both.Read = func(d *Document) (bool, error) {
			if visible, err := g.Read(d); !visible || err != nil {
				return false, err
			}
			return other.Read(d)
		}
	}
	if g.Write == nil {
		both.Write = other.Write
	} else if other.Write != nil {
		both.Write = func(ctx context.Context, old *Document, e *Edit, opt WriteOptions) error {
			if err := g.Write(ctx, old, e, opt); err != nil {
				return err
			}
			return other.Write(ctx, old, e, opt)
		}
	}
	return both
}

// Hides tells that the handle does not show all that there is: what an index says of a
// document is not to be shown then.
func (db *DB) Hides() bool { return db.guard != nil && db.guard.Read != nil }

// see judges a document that was asked for by its id.
func (db *DB) see(d *Document) error {
	if !db.Hides() {
		return nil
	}
	visible, err := db.guard.Read(d)
	if err == nil && !visible {
		err = ErrMissing
	}
	return err
}

// lists judges a document of a range or a feed.
func (db *DB) lists(d *Document) bool {
	visible, err := db.guard.Read(d)
	return visible && err == nil
}

// seeRevs judges what OpenRevs has found.
func (db *DB) seeRevs(found []OpenRev, all bool) ([]OpenRev, error) {
	shown := found[:0]
	var hidden []OpenRev
	for _, f := range found {
		switch {
		case f.Doc == nil:
			hidden = append(hidden, f)
		case db.see(f.Doc) == nil:
			shown = append(shown, f)
		case !all:
			hidden = append(hidden, OpenRev{Missing: f.Doc.Rev})
		}
	}
	if all && len(shown) == 0 {
		return nil, ErrMissing
	}
	return append(shown, hidden...), nil
}

// seeRow judges a row that was read with its document.
func (db *DB) seeRow(r *Row, includeDocs bool) bool {
	d := r.Doc
	if d == nil { // a tombstone: what it may hold besides its id is not shown
		d = &Document{ID: string(r.ID), Rev: r.Rev, Deleted: r.Deleted, Body: []byte("{}")}
	}
	if !db.lists(d) {
		return false
	}
	if !includeDocs {
		r.Doc = nil
	}
	return true
}

// seeKeys makes the row function of DocsByKeys judge; documents must be read.
func (db *DB) seeKeys(row func(int, *Row) error, includeDocs bool) func(int, *Row) error {
	return func(i int, r *Row) error {
		if r != nil {
			own := *r // the same row may be given for another key
			if r = &own; r.Doc != nil {
				doc := *r.Doc
				r.Doc = &doc
			}
			if !db.seeRow(r, includeDocs) {
				r = nil
			}
		}
		return row(i, r)
	}
}

var errEnough = errors.New("enough rows")

// seeDocs reads a range whose rows are judged before they are counted.
func (db *DB) seeDocs(ctx context.Context, q AllDocsQuery, head func(Page) error, row func(*Row) error, flush func() error) error {
	skip, left, includeDocs := q.Skip, q.Limit, q.IncludeDocs
	q.Skip, q.Limit, q.IncludeDocs = 0, -1, true
	err := db.allDocs(ctx, q, head, func(r *Row) error {
		switch {
		case !db.seeRow(r, includeDocs):
			return nil
		case skip > 0:
			skip--
			return nil
		case left == 0:
			return errEnough
		}
		left--
		return row(r)
	}, flush)
	if errors.Is(err, errEnough) {
		err = flush()
	}
	return err
}

// seeChanges has a feed judge its rows: a leaf that is hidden is not listed, and a row
// without leaves is none.
func (db *DB) seeChanges(q *ChangesQuery, row func(*Change) error) func(*Change) error {
	matchLeaf, match, includeDocs := q.MatchLeaf, q.Match, q.IncludeDocs
	q.IncludeDocs = true
	q.MatchLeaf = func(d *Document) (bool, error) {
		if !db.lists(d) {
			d.Body = nil // for show
			return false, nil
		}
		if matchLeaf == nil {
			return true, nil
		}
		return matchLeaf(d)
	}
	show := func(c *Change) {
		if !includeDocs || c.Doc.Body == nil {
			c.Doc = nil // hidden: the row is there for the sake of another leaf
		}
	}
	if match != nil {
		q.Match = func(c *Change) (bool, error) {
			show(c)
			return match(c)
		}
	}
	return func(c *Change) error {
		if c.Doc != nil { // Match has not shown it
			show(c)
		}
		return row(c)
	}
}

func isDesign(id string) bool { return strings.HasPrefix(id, "_design/") }

// MayEdit asks the guard, before there is an edit, whether it takes any of a document of
// this id: its refusal. The transaction that writes asks again.
func (db *DB) MayEdit(ctx context.Context, id string) error {
	if !isDesign(id) {
		return nil
	}
	refusal, err := db.administers(ctx)
	if err == nil {
		err = refusal
	}
	return err
}

// administers asks the guard whether the handle is an administrator's of the database.
func (db *DB) administers(ctx context.Context) (refusal, err error) {
	if db.guard == nil || db.guard.Admin == nil {
		return nil, nil
	}
	security, err := db.Security(ctx)
	if err != nil {
		return nil, err
	}
	return db.guard.Admin(security), nil
}

// takes judges an edit: the refusal concerns it alone.
func (db *DB) takes(ctx context.Context, e *Edit, opt WriteOptions) (refusal, err error) {
	if db.guard == nil {
		return nil, nil
	}
	if isDesign(e.Doc.ID) {
		if refusal, err := db.administers(ctx); refusal != nil || err != nil {
			return refusal, err
		}
		if db.guard.Design != nil && !e.Doc.Deleted {
			if refusal := db.guard.Design(e.Doc.Body); refusal != nil {
				return refusal, nil
			}
		}
	}
	if db.guard.Write == nil {
		return nil, nil
	}
	old, err := db.replaced(ctx, e, opt.Replicated)
	if err != nil {
		return nil, err
	}
	return db.guard.Write(ctx, old, e, opt), nil
}

// replaced reads what an edit replaces, whoever may see it; nil if there is nothing.
func (db *DB) replaced(ctx context.Context, e *Edit, replicated bool) (*Document, error) {
	if strings.HasPrefix(e.Doc.ID, "_local/") {
		old, err := db.base.GetLocal(ctx, e.Doc.ID)
		if errors.Is(err, ErrMissing) {
			return nil, nil
		}
		return old, err
	}
	var old *Document
	err := db.view(ctx, func(r engine.Reader) error {
		old = nil
		v, err := r.Get(spaceDoc, []byte(e.Doc.ID))
		if err != nil || v == nil {
			return err
		}
		rec, err := parseDocRecord(v)
		if err != nil {
			return fmt.Errorf("document %q: %w", e.Doc.ID, err)
		}
		tree, err := rec.decode()
		if err != nil {
			return fmt.Errorf("document %q: %w", e.Doc.ID, err)
		}
		node := replacedNode(&tree, &e.Doc, replicated)
		if winner, ok := tree.Winner(); ok && node.Data == nil && replicated {
			node = winner
		}
		if node.Data == nil {
			return nil
		}
		old = &Document{ID: e.Doc.ID, Rev: node.Rev, Deleted: node.Deleted, Seq: rec.seq}
		return old.readBody(r, node.Data)
	})
	return old, err
}
