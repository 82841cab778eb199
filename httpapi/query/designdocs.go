package query

import (
	"net/http"

	"github.com/tododb/tododb/store"
)

// DesignDocs answers GET and POST /db/_design_docs: _all_docs of design documents alone.
func (room *Room) DesignDocs(w http.ResponseWriter, r *http.Request) error {
	return room.docRange(w, r, store.DesignDocs)
}

// DesignDocsQueries answers POST /db/_design_docs/queries.
func (room *Room) DesignDocsQueries(w http.ResponseWriter, r *http.Request) error {
	return room.docRanges(w, r, store.DesignDocs)
}
