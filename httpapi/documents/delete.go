package documents

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// Delete answers DELETE of a document: it gets a tombstone.
func (d *Room) Delete(w http.ResponseWriter, r *http.Request) error {
	id, err := docID(r)
	if err != nil {
		return err
	}
	db, err := d.access.OpenToEdit(r, id)
	if err != nil {
		return err
	}
	defer db.Release()
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	rev, err := editRev(r, &q, q.rev, q.hasRev)
	if err != nil {
		return err
	}
	// Writing a tombstone would make a document that never existed.
	if _, err := db.Get(r.Context(), id, store.ReadOptions{NoBody: true}); err != nil {
		return err
	}
	if rev.IsZero() {
		return &write.Conflict{ID: id}
	}
	doc := document.Tombstone(id)
	doc.Rev, doc.HasRev = rev, true
	return writeDocument(w, r, db, &q, doc)
}
