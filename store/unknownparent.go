package store

import (
	"context"

	"github.com/tododb/tododb/store/engine"
)

// ParentsMatter reports whether an interactive edit that is written now must not name a parent of a
// document that is not there, whatever else is written with it: no document has changed since the
// last change of a design document.
func (db *DB) ParentsMatter(ctx context.Context) (matter bool, err error) {
	err = db.view(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		if err != nil {
			return err
		}
		design, err := db.designIn(r)
		matter = design == last.seq
		return err
	})
	return matter, err
}

// mustKnow reports whether an edit of a document is a conflict because it names a parent and
// there is no such document (known). CouchDB accepts a parent that it has never seen, unless it
// has to look for the document anyway: for validation functions, for attachments, for a design
// document in the same request, and as long as it does not know whether there are validation
// functions, which is from the last change of a design document, or from the beginning of the
// database, to the next change of another document.
//
// CouchDB forgets what it knows with every restart. Here it follows from what the database
// holds, so that the same requests have the same answers.
func (w *writer) mustKnow(e *pendingEdit, known bool) (bool, error) {
	switch {
	case known || e.replicated || e.parent.IsZero():
		return false, nil
	case e.looks || e.verdict.asked():
		return true, nil
	}
	design, err := w.db.designIn(w.tx)
	return design == w.began, err
}
