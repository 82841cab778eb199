package query

import (
	"net/http"

	"github.com/tododb/tododb/store"
)

// LocalDocs answers GET and POST /db/_local_docs: _all_docs of local documents alone.
func (room *Room) LocalDocs(w http.ResponseWriter, r *http.Request) error {
	return room.docRange(w, r, store.LocalDocs)
}

// LocalDocsQueries answers POST /db/_local_docs/queries.
func (room *Room) LocalDocsQueries(w http.ResponseWriter, r *http.Request) error {
	return room.docRanges(w, r, store.LocalDocs)
}
