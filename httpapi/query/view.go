package query

import (
	"context"
	"errors"
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
)

var (
	errQueriesMoved    = wire.BadRequest("The `queries` parameter is no longer supported at this endpoint")
	errReduceKeys      = wire.QueryError("Multi-key fetches for reduce views must use `group=true`")
	errReduceDocs      = wire.QueryError("`include_docs` is invalid for reduce")
	errReduceConflicts = wire.QueryError("`conflicts` is invalid for reduce views.")
)

// View answers GET and POST of a view: its rows, or what they reduce to.
func (room *Room) View(w http.ResponseWriter, r *http.Request) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	p, err := readViewParams(w, r, refuseQueries)
	if err != nil {
		return err
	}
	v, err := room.openView(r, db)
	if err != nil {
		return err
	}
	defer v.Release()
	q, err := room.plan(v, &p)
	if err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		q.known = func(etag string) bool {
			w.Header()["Etag"] = []string{etag}
			return wire.MatchesETag(r, etag)
		}
	}
	err = writeResult(w, r, q)
	if errors.Is(err, errKnown) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return err
}

// openView is a view of an open index.
type openView struct {
	*view.Index
	db     *store.DB
	number int
}

// openView opens the index of the view that the path names. The caller releases it.
func (room *Room) openView(r *http.Request, db *store.DB) (*openView, error) {
	name, err := wire.Segment(r, "view")
	if err != nil {
		return nil, err
	}
	ddoc, err := wire.Segment(r, "ddoc")
	if err != nil {
		return nil, err
	}
	return room.openViewOf(r.Context(), db, ddoc, name)
}

// openViewOf is openView for a view given by its design document's name and its own.
func (room *Room) openViewOf(ctx context.Context, db *store.DB, ddoc, name string) (*openView, error) {
	d, err := room.design(ctx, db, ddoc)
	if err != nil {
		return nil, err
	}
	number, err := d.View(name)
	if err != nil {
		return nil, err
	}
	ix, err := room.openIndex(ctx, db, d)
	if err != nil {
		return nil, err
	}
	return &openView{ix, db, number}, nil
}

// openIndex opens the index of a design document.
func (room *Room) openIndex(ctx context.Context, db *store.DB, d *design.Document) (*view.Index, error) {
	if room.opener == nil {
		return nil, wire.ErrNotBuilt
	}
	return room.opener.Open(ctx, db, d)
}

// refuseQueries refuses several queries in the body of one, and says where they belong.
func refuseQueries(body []byte) error {
	return jsonscan.EachMember(body, func(name, _ []byte) error {
		if string(name) == "queries" {
			return errQueriesMoved
		}
		return nil
	})
}
