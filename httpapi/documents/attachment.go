package documents

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

var (
	errNoAttachment    = wire.Errorf(http.StatusNotFound, "not_found", "Document is missing attachment")
	errMissingRev      = wire.Errorf(http.StatusConflict, "not_found", "missing_rev")
	errLocalAttachment = wire.BadRequest("_local documents do not accept attachments.")
)

// target is the attachment that a request is about.
type target struct {
	db       *store.DB // to be released
	id, name string
}

// attachmentTarget reads the document's id and the attachment's name from the path, and
// opens the database.
func (d *Room) attachmentTarget(r *http.Request, write bool) (t target, err error) {
	if t.id, err = docID(r); err != nil {
		return t, err
	}
	if write {
		t.db, err = d.access.OpenToEdit(r, t.id)
	} else {
		t.db, err = d.access.Open(r)
	}
	if err != nil {
		return t, err
	}
	switch t.name, err = wire.Segment(r, "att"); {
	case err != nil:
	case t.id == "_local":
		err = errLocalAttachment
	case r.Method == http.MethodPut:
		err = wire.ValidID(r, t.id)
	default:
		err = readableID(t.id)
	}
	if err != nil {
		t.db.Release()
		return target{}, err
	}
	return t, nil
}
