package documents

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/document"
)

// Post answers POST to a database: a document whose id may be left to the server.
func (d *Room) Post(w http.ResponseWriter, r *http.Request) error {
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	doc, err := wire.ReadDocument(w, r, document.Options{})
	if err != nil {
		return err
	}
	if !doc.HasID {
		doc.ID = string(d.ids.Append(nil))
	}
	if err := db.MayEdit(r.Context(), doc.ID); err != nil {
		return err
	}
	return writeDocument(w, r, db, &docQuery{batch: q.batch}, doc)
}

// PostForm answers CouchDB's upload of attachments by an HTML form, which this server does not
// support.
func (d *Room) PostForm(_ http.ResponseWriter, r *http.Request) error {
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if r.Header.Get("Referer") == "" {
		return wire.BadRequest("Referer header required.")
	}
	if !wire.IsType(r.Header.Get("Content-Type"), "multipart/form-data") {
		return wire.Errorf(http.StatusUnsupportedMediaType, "bad_content_type", "Content-Type must be multipart/form-data")
	}
	return wire.ErrNotBuilt
}
