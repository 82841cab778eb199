package httpapi

import (
	"net/http"

	"github.com/tododb/tododb/store"
)

// designDocs answers GET and POST /db/_design_docs: _all_docs of design documents alone.
func (s *Server) designDocs(w http.ResponseWriter, r *http.Request) error {
	return s.docRange(w, r, store.DesignDocs)
}

// designDocsQueries answers POST /db/_design_docs/queries.
func (s *Server) designDocsQueries(w http.ResponseWriter, r *http.Request) error {
	return s.docRanges(w, r, store.DesignDocs)
}
