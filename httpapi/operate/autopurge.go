package operate

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// CouchDB after 3.5 purges documents some time after they were deleted, if a plugin is switched on
// (couch_auto_purge_plugin.erl). Here deleted_document_ttl is one of the properties of _tombstones.
// Setting it leaves the other properties as they are.

var errTTL = wire.BadRequest("`deleted_document_ttl` must be a number and a unit of time, such as 30_day, or infinity")

// AutoPurge answers GET of _auto_purge.
func (o *Room) AutoPurge(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	raw, err := db.AutoPurge(r.Context())
	if err != nil {
		return err
	}
	if raw == nil {
		raw = []byte("{}")
	}
	return wire.WriteJSON(w, r, http.StatusOK, raw)
}

// SetAutoPurge answers PUT of _auto_purge.
func (o *Room) SetAutoPurge(w http.ResponseWriter, r *http.Request) error {
	db, err := o.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	body, err := wire.ReadKeptBody(w, r)
	if err != nil {
		return err
	}
	members, err := wire.ParseObject(body)
	if err != nil {
		return err
	}
	ttl := ""
	for name, value := range members {
		text, err := jsonscan.Text(value)
		_, ok := store.ParsePeriod(text)
		switch {
		case name != "deleted_document_ttl":
			return wire.BadRequest("`%s` is no property of automatic purging", name)
		case err != nil || !ok:
			return errTTL
		}
		ttl = text
	}
	if err := db.SetLifetime(r.Context(), func(l *store.Lifetime) { l.TTL = ttl }); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusCreated, []byte(`{"ok":true}`))
}
