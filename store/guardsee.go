package store

import (
	"context"
	"errors"
)

// Hides reports whether the handle may hide documents. If so, what an index holds of a document
// must not be shown directly.
func (db *DB) Hides() bool { return db.guard != nil && db.guard.Read != nil }

// see judges a document that is read by its id.
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

// lists judges a document in a range or a feed.
func (db *DB) lists(d *Document) bool {
	visible, err := db.guard.Read(d)
	return visible && err == nil
}

// seeRevs judges the results of OpenRevs.
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
	if d == nil { // a tombstone: only its id is shown
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
			own := *r // the same row may come again for another key
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
	err := db.allDocs(ctx, q, func(p Page) error {
		p.Skipped = skip
		return head(p)
	}, func(r *Row) error {
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
		return nil
	}
	return err
}

// seeChanges makes a feed judge its rows: a hidden leaf is not listed, and neither is a row
// without leaves.
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
			c.Doc = nil // hidden: the row is there because of another leaf
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
