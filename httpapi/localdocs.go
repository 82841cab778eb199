package httpapi

import (
	"net/http"

	"github.com/tododb/tododb/store"
)

// localDocs answers GET and POST /db/_local_docs: _all_docs of local documents alone.
func (s *Server) localDocs(w http.ResponseWriter, r *http.Request) error {
	return s.docRange(w, r, store.LocalDocs)
}

// localDocsQueries answers POST /db/_local_docs/queries.
func (s *Server) localDocsQueries(w http.ResponseWriter, r *http.Request) error {
	return s.docRanges(w, r, store.LocalDocs)
}
