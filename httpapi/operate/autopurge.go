package operate

import (
	"net/http"
	"regexp"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/jsonscan"
)

// CouchDB after 3.5 can purge what has been deleted for some time, if a plugin is switched on
// (couch_auto_purge_plugin.erl). The time that a database sets for itself is kept here for tools
// that set it, and replaced as a whole. Nothing is purged by it.

// ttl is how long a tombstone stays: a number and a unit of time.
var ttl = regexp.MustCompile(`^(infinity|[1-9][0-9]*_(sec|second|min|minute|hour|day|week|month|year)s?)$`)

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
	props := []byte("{}")
	for name, value := range members {
		text, err := jsonscan.Text(value)
		switch {
		case name != "deleted_document_ttl":
			return wire.BadRequest("`%s` is no property of automatic purging", name)
		case err != nil || !ttl.MatchString(text):
			return errTTL
		}
		props = append(jsonscan.AppendString([]byte(`{"deleted_document_ttl":`), text), '}')
	}
	if err := db.SetAutoPurge(r.Context(), props); err != nil {
		return err
	}
	return wire.WriteJSON(w, r, http.StatusCreated, []byte(`{"ok":true}`))
}
