package httpapi

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

var errBadLocalID = wire.BadRequest("Invalid _local document id.")

func localID(r *http.Request) (string, error) {
	name, err := wire.Segment(r, "doc")
	if err == nil && name == "" {
		err = errBadLocalID
	}
	return "_local/" + name, err
}

// openLocal opens the database and reads the id and the query of a request.
func (s *Server) openLocal(r *http.Request) (db *store.DB, id string, q docQuery, err error) {
	if id, err = localID(r); err != nil {
		return nil, "", q, err
	}
	if q, err = parseDocQuery(r); err != nil {
		return nil, "", q, err
	}
	db, err = s.access.Open(r)
	return db, id, q, err
}

func (s *Server) getLocal(w http.ResponseWriter, r *http.Request) error {
	db, id, q, err := s.openLocal(r)
	if err != nil {
		return err
	}
	defer db.Release()
	doc, err := db.GetLocal(r.Context(), id)
	if err != nil {
		return err
	}
	if q.hasRev || q.openRevs != "" { // as in CouchDB, also if it is this one
		return store.ErrMissing
	}
	if q.revs {
		doc.Path = []revtree.Rev{doc.Rev}
	}
	if setETag(w, r, doc.Rev) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return wire.WriteJSON(w, r, http.StatusOK, doc.AppendJSON(nil, store.JSONOptions{}))
}

func (s *Server) putLocal(w http.ResponseWriter, r *http.Request) error {
	db, id, q, err := s.openLocal(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := document.ValidID(id); err != nil {
		return err
	}
	doc, err := wire.ReadDocument(w, r, document.Options{Local: true})
	if err != nil {
		return err
	}
	if doc.Rev, err = editRev(r, &q, doc.Rev, doc.HasRev); err != nil {
		return err
	}
	doc.ID = id
	return s.writeDocument(w, r, db, &docQuery{batch: q.batch, replicated: q.replicated}, doc)
}

func (s *Server) deleteLocal(w http.ResponseWriter, r *http.Request) error {
	db, id, q, err := s.openLocal(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if _, err := db.GetLocal(r.Context(), id); err != nil {
		return err
	}
	return s.writeDocument(w, r, db, &docQuery{batch: q.batch}, document.Tombstone(id))
}

func (s *Server) copyLocal(w http.ResponseWriter, r *http.Request) error {
	vars := mux.Vars(r)
	if !strings.HasPrefix(vars["doc"], "_local/") {
		vars["doc"] = "_local/" + vars["doc"]
	}
	return s.copyDocument(w, r)
}
