package httpapi

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/filter"
)

// openFilter opens the filter of a feed; body is nil unless one was posted. The caller
// releases it.
func (s *Server) openFilter(r *http.Request, db *store.DB, q *changesQuery, body []byte) (*filter.Filter, error) {
	wanted := q.filter
	if r.Method == http.MethodPost {
		if err := wanted.Post(body); err != nil {
			return nil, err
		}
	}
	wanted.Descending = q.descending
	wanted.Request = func() ([]byte, error) { return wire.FunctionRequest(r, db, nil, body) }
	return s.filters.Open(r.Context(), db, &wanted)
}
