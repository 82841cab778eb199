package documents

import (
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// ErrBadLocalID answers the path of a local document if its id is missing or impossible.
var ErrBadLocalID = wire.BadRequest("Invalid _local document id.")

func localID(r *http.Request) (string, error) {
	name, err := wire.Segment(r, "doc")
	if err == nil && name == "" {
		err = ErrBadLocalID
	}
	return "_local/" + name, err
}

// localTarget is the local document that a request is about.
type localTarget struct {
	db *store.DB // to be released
	id string
	q  docQuery
}

// openLocal opens the database and reads the id and the query of a request.
func (d *Room) openLocal(r *http.Request) (t localTarget, err error) {
	if t.id, err = localID(r); err != nil {
		return t, err
	}
	if t.q, err = parseDocQuery(r); err != nil {
		return t, err
	}
	t.db, err = d.access.Open(r)
	return t, err
}

func (d *Room) GetLocal(w http.ResponseWriter, r *http.Request) error {
	at, err := d.openLocal(r)
	if err != nil {
		return err
	}
	db, id, q := at.db, at.id, at.q
	defer db.Release()
	doc, err := db.GetLocal(r.Context(), id)
	doc, doubted, err := d.pushes.read(db, id, doc, err)
	if err != nil {
		return err
	}
	if q.hasRev || q.openRevs != "" { // as in CouchDB, even if it is the current revision
		return store.ErrMissing
	}
	if q.revs {
		doc.Path = []revtree.Rev{doc.Rev}
	}
	if !doubted && setETag(w, r, doc.Rev) { // a browser may have what is doubted
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return wire.WriteJSON(w, r, http.StatusOK, doc.AppendJSON(nil, store.JSONOptions{}))
}

func (d *Room) PutLocal(w http.ResponseWriter, r *http.Request) error {
	at, err := d.openLocal(r)
	if err != nil {
		return err
	}
	db, id, q := at.db, at.id, at.q
	defer db.Release()
	if err := wire.ValidID(r, id); err != nil {
		return err
	}
	doc, err := wire.ReadDocument(w, r, document.Options{Local: true})
	if err != nil {
		return err
	}
	if doc.Rev, err = editRev(r, &q, doc.Rev, doc.HasRev); err != nil {
		return err
	}
	doc.ID = id
	written, err := d.pushes.write(db, id, &doc)
	if err != nil {
		return err
	}
	err = writeDocument(w, r, db, &docQuery{batch: q.batch, replicated: q.replicated}, doc)
	if err == nil {
		written()
	}
	return err
}

func (d *Room) DeleteLocal(w http.ResponseWriter, r *http.Request) error {
	at, err := d.openLocal(r)
	if err != nil {
		return err
	}
	db, id, q := at.db, at.id, at.q
	defer db.Release()
	if _, err := db.GetLocal(r.Context(), id); err != nil {
		return err
	}
	return writeDocument(w, r, db, &docQuery{batch: q.batch}, document.Tombstone(id))
}

func (d *Room) CopyLocal(w http.ResponseWriter, r *http.Request) error {
	if doc, _ := wire.Part(r, "doc"); !strings.HasPrefix(doc, "_local/") {
		wire.SetPart(r, "doc", "_local/"+doc)
	}
	return d.Copy(w, r)
}
