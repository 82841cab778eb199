package operate

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// RevsLimit answers GET of the number of revisions that are remembered of each branch.
func (o *Room) RevsLimit(w http.ResponseWriter, r *http.Request) error {
	return o.getLimit(w, r, (*store.DB).RevsLimit)
}

func (o *Room) SetRevsLimit(w http.ResponseWriter, r *http.Request) error {
	return o.putLimit(w, r, "`_revs_limit` must be positive integer", (*store.DB).SetRevsLimit)
}

// PurgedInfosLimit answers GET of the number of purges that are remembered.
func (o *Room) PurgedInfosLimit(w http.ResponseWriter, r *http.Request) error {
	return o.getLimit(w, r, (*store.DB).PurgedInfosLimit)
}

func (o *Room) SetPurgedInfosLimit(w http.ResponseWriter, r *http.Request) error {
	return o.putLimit(w, r, "`purged_infos_limit` must be positive integer", (*store.DB).SetPurgedInfosLimit)
}

func (o *Room) getLimit(w http.ResponseWriter, r *http.Request, read func(*store.DB, context.Context) (int, error)) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	n, err := read(db, r.Context())
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, strconv.AppendInt(nil, int64(n), 10))
}

func (o *Room) putLimit(w http.ResponseWriter, r *http.Request, reason string, set func(*store.DB, context.Context, int) error) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	body, err = jsonscan.Trim(body)
	if err != nil {
		return wire.ErrNotJSON
	}
	n, err := strconv.Atoi(string(body))
	if err == nil {
		err = set(db, r.Context(), n)
	}
	if errors.Is(err, store.ErrBadLimit) || errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) {
		return wire.BadRequest("%s", reason)
	}
	if err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusOK, []byte(`{"ok":true}`))
}
