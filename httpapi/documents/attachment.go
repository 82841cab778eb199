package documents

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

var (
	errNoAttachment    = wire.Errorf(http.StatusNotFound, "not_found", "Document is missing attachment")
	errMissingRev      = wire.Errorf(http.StatusConflict, "not_found", "missing_rev")
	errLocalAttachment = wire.BadRequest("_local documents do not accept attachments.")
)

// attachmentTarget reads from the path whose attachment is meant, and its name, and
// opens the database.
func (d *Room) attachmentTarget(r *http.Request, write bool) (db *store.DB, id, name string, err error) {
	if id, err = docID(r); err != nil {
		return nil, "", "", err
	}
	if write {
		db, err = d.access.OpenToEdit(r, id)
	} else {
		db, err = d.access.Open(r)
	}
	if err != nil {
		return nil, "", "", err
	}
	vars := mux.Vars(r)
	part := vars["att"]
	if part == "" {
		part = vars["rest"] // behind a design document
	}
	switch name, err = wire.Unescape(r, part); {
	case err != nil:
	case id == "_local":
		err = errLocalAttachment
	case r.Method == http.MethodPut:
		err = wire.ValidID(r, id)
	default:
		err = readableID(id)
	}
	if err != nil {
		db.Release()
		return nil, "", "", err
	}
	return db, id, name, nil
}
