package changes

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/filter"
)

// openFilter opens the filter of a feed; body is nil unless one was posted. The caller
// releases it.
func (a *Room) openFilter(r *http.Request, db *store.DB, q *query, body []byte) (*filter.Filter, error) {
	wanted := q.filter
	if r.Method == http.MethodPost {
		if err := wanted.Post(body); err != nil {
			return nil, err
		}
	}
	wanted.Descending = q.descending
	wanted.Request = func() ([]byte, error) { return wire.FunctionRequest(r, db, nil, body) }
	return a.filters.Open(r.Context(), db, &wanted)
}
