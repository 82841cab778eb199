package operate

import (
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
)

// Compact answers POST _compact for a database or a design document's index. The work continues
// after the answer.
func (o *Room) Compact(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	design, err := wire.Rest(r)
	if err != nil {
		return err
	}
	if len(design) > 0 {
		if err := o.compactIndex(r, db, strings.Join(design, "/")); err != nil {
			return err
		}
	} else {
		db.StartCompact()
	}
	return wire.WriteJSON(w, r, http.StatusAccepted, []byte(`{"ok":true}`))
}

// EnsureFullCommit has nothing to do: every acknowledged write is on disk. The answer tells whether the
// files were put back since a replicator last asked.
func (o *Room) EnsureFullCommit(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	if err := db.WhyGone(); err != nil {
		return err
	}
	b := db.AppendStartTime([]byte(`{"ok":true,"instance_start_time":"`))
	return wire.WriteJSON(w, r, http.StatusCreated, append(b, `"}`...))
}
