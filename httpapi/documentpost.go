package httpapi

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/document"
)

// dbPost answers POST to a database: a document whose id may be left to the server.
func (s *Server) dbPost(w http.ResponseWriter, r *http.Request) error {
	db, err := s.access.Open(r)
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
		doc.ID = string(s.uuids.Append(nil))
	}
	if err := db.MayEdit(r.Context(), doc.ID); err != nil {
		return err
	}
	return s.writeDocument(w, r, db, &docQuery{batch: q.batch}, doc)
}
