package documents

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// Put answers PUT of a document.
func (d *Room) Put(w http.ResponseWriter, r *http.Request) error {
	id, err := docID(r)
	if err != nil {
		return err
	}
	db, err := d.access.OpenToEdit(r, id)
	if err != nil {
		return err
	}
	defer db.Release()
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	if err := wire.ValidID(r, id); err != nil {
		return err
	}
	if err := db.CheckNewID(id); err != nil {
		return err
	}
	if wire.IsType(r.Header.Get("Content-Type"), "multipart/related") {
		return putRelated(w, r, db, id, &q)
	}
	doc, err := wire.ReadDocument(w, r, document.Options{})
	if err != nil {
		return err
	}
	doc.ID, doc.HasID = id, true
	if doc.Rev, err = editRev(r, &q, doc.Rev, doc.HasRev); err != nil {
		return err
	}
	return writeDocument(w, r, db, &q, doc)
}

// writeDocument writes one document and answers.
func writeDocument(w http.ResponseWriter, r *http.Request, db *store.DB, q *docQuery, doc document.Doc) error {
	if err := db.CheckNewID(doc.ID); err != nil { // before its attachments are taken in
		return err
	}
	edit, err := attachments.EditOf(r.Context(), db, doc, wire.SettingsOf(r).MaxAttachmentSize)
	if err != nil {
		return err
	}
	return writeEdit(w, r, db, q, edit)
}

// writeEdit writes one edit and answers.
func writeEdit(w http.ResponseWriter, r *http.Request, db *store.DB, q *docQuery, edit store.Edit) error {
	doc := &edit.Doc
	if q.replicated && doc.Rev.IsZero() && doc.Path == nil {
		return errNoRevision
	}
	one := write.One{Edit: edit, Replicated: q.replicated, Answer: func(result store.Result) (write.Answer, error) { return editedAnswer(r, q, doc, result) }}
	return one.Write(w, r, db)
}

// maxLocated is the longest id, in bytes, for which an answer has a Location. A longer one fits into
// the head of no request, and many clients refuse an answer with such a header.
const maxLocated = 64 << 10

// editedAnswer tells the result of an edit and, except after a DELETE, the document's location.
func editedAnswer(r *http.Request, q *docQuery, doc *document.Doc, result store.Result) (write.Answer, error) {
	switch {
	case q.batch: // CouchDB has not tried yet when it answers
		return write.Answer{Status: http.StatusAccepted, Body: append(wire.AppendString([]byte(`{"ok":true,"id":`), doc.ID), '}')}, nil
	case result.Err != nil:
		return write.Answer{}, result.Err
	}
	a := write.Answer{Status: http.StatusCreated, ETag: wire.ETag(result.Rev), Body: appendEdited(make([]byte, 0, 128), result.ID, result.Rev)}
	if r.Method != http.MethodDelete && len(result.ID) <= maxLocated {
		a.Location = wire.DocumentURL(r, result.ID)
	}
	if r.Method == http.MethodDelete || doc.Deleted && r.Method == http.MethodPut {
		a.Status = http.StatusOK
	}
	return a, nil
}

func appendEdited(b []byte, id string, rev revtree.Rev) []byte {
	b = wire.AppendString(append(b, `{"ok":true,"id":`...), id)
	b = wire.AppendRev(append(b, `,"rev":`...), rev)
	return append(b, '}')
}
