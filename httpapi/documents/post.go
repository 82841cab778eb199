package documents

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// Post answers POST to a database: a document whose id may be left to the server.
func (d *Room) Post(w http.ResponseWriter, r *http.Request) error {
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	doc, err := wire.ReadDocument(w, r, document.Options{})
	if err != nil {
		return err
	}
	if !doc.HasID {
		doc.ID, doc.HasID = d.ids.ID(), true
		if q.batch && db.CheckNewID(doc.ID) != nil { // as in CouchDB, which answers before it tries
			answer, err := editedAnswer(r, &docQuery{batch: true}, &doc, store.Result{})
			if err != nil {
				return err
			}
			return answer.Send(w, r)
		}
	}
	wire.NoteDocument(r, doc.ID)
	if err := db.MayEdit(r.Context(), doc.ID); err != nil {
		return err
	}
	return writeDocument(w, r, db, &docQuery{batch: q.batch}, doc)
}

// PostForm answers POST of a document: CouchDB's upload of attachments by an HTML form.
func (d *Room) PostForm(w http.ResponseWriter, r *http.Request) error {
	id, err := docID(r)
	if err != nil {
		return err
	}
	db, err := d.access.OpenToEdit(r, id)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := checkForm(r); err != nil {
		return err
	}
	if err := document.ValidID(id); err != nil {
		return err
	}
	if err := db.CheckNewID(id); err != nil {
		return err
	}
	form, err := readForm(w, r, db)
	if err != nil {
		return err
	}
	edit, err := form.edit(id)
	if err != nil {
		return err
	}
	one := write.One{Edit: edit, Answer: func(result store.Result) (write.Answer, error) {
		if result.Err != nil {
			return write.Answer{}, result.Err
		}
		body := appendEdited(make([]byte, 0, 128), result.ID, result.Rev)
		return write.Answer{Status: http.StatusCreated, ETag: wire.ETag(result.Rev), Body: body}, nil
	}}
	return one.Write(w, r, db)
}

// PostLocalForm refuses POST of a local document, which can have no attachments.
func (d *Room) PostLocalForm(_ http.ResponseWriter, r *http.Request) error {
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := checkForm(r); err != nil {
		return err
	}
	return errLocalAttachment
}
