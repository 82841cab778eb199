package documents

import (
	"errors"
	"net/http"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// PutAttachment answers PUT of an attachment: a new revision of the document, or a new
// document. The bytes go to disk as they arrive.
func (d *Room) PutAttachment(w http.ResponseWriter, r *http.Request) error {
	at, err := d.attachmentTarget(r, true)
	if err != nil {
		return err
	}
	db, id, name := at.db, at.id, at.name
	defer db.Release()
	if err := document.ValidAttachmentName(name); err != nil {
		return err
	}
	old, rev, err := attachmentOwner(r, db, id, true)
	if err != nil {
		return err
	}
	if err := db.CheckNewID(id); err != nil {
		return err
	}
	att := store.EditAttachment{Name: name, Type: r.Header.Get("Content-Type")}
	if att.Type == "" {
		att.Type = document.DefaultType
	}
	switch coding := wire.ContentCoding(r); coding {
	case "", "identity":
	case "gzip":
		att.Encoding = coding
	default:
		return wire.Errorf(http.StatusUnsupportedMediaType, "bad_content_type", "Only gzip and identity content-encodings are supported")
	}
	limit := wire.SettingsOf(r).MaxAttachmentSize
	if err := attachments.CheckSize(name, r.ContentLength, limit); err != nil {
		return err
	}
	staged, err := attachments.StageOne(r.Context(), db, name, wire.UploadOf(w, r), store.StageOptions{Limit: limit})
	if err != nil {
		return err
	}
	att.Staged = &staged
	edit := editWith(id, rev, old, name)
	edit.Attachments = append([]store.EditAttachment{att}, edit.Attachments...) // the new one comes first
	location := wire.DBPath(r) + "/" + wire.EscapeSegment(id) + "/" + wire.EscapeSegment(name)
	return writeAttachmentEdit(w, r, db, edit, location)
}

// DeleteAttachment answers DELETE of an attachment: a new revision without it.
func (d *Room) DeleteAttachment(w http.ResponseWriter, r *http.Request) error {
	at, err := d.attachmentTarget(r, true)
	if err != nil {
		return err
	}
	db, id, name := at.db, at.id, at.name
	defer db.Release()
	old, rev, err := attachmentOwner(r, db, id, false)
	if err != nil {
		return err
	}
	if findAttachment(old, name) == nil {
		return errNoAttachment
	}
	if rev.IsZero() {
		return &write.Conflict{ID: id}
	}
	edit := editWith(id, rev, old, name)
	return writeAttachmentEdit(w, r, db, edit, "")
}

// attachmentOwner reads the revision that a request wants to replace. If a PUT names none, it
// makes a new document, but does not replace an existing one; old is nil then.
func attachmentOwner(r *http.Request, db *store.DB, id string, put bool) (old *store.Document, rev revtree.Rev, err error) {
	q, err := parseDocQuery(r)
	if err != nil {
		return nil, rev, err
	}
	if rev, err = editRev(r, &q, q.rev, q.hasRev); err != nil {
		return nil, rev, err
	}
	old, err = db.Get(r.Context(), id, store.ReadOptions{Rev: rev})
	switch {
	case !rev.IsZero() && err != nil:
		return nil, rev, missingRev(err)
	case put && rev.IsZero() && err == nil:
		return nil, rev, &write.Conflict{ID: id}
	case put && rev.IsZero() && (errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted)):
		return nil, rev, nil // the store makes a deleted one live again
	}
	return old, rev, err
}

// missingRev is the answer if the revision to replace cannot be read.
func missingRev(err error) error {
	if errors.Is(err, store.ErrMissing) {
		return errMissingRev
	}
	return err
}

// editWith is the edit that keeps a revision's body and all its attachments but one.
func editWith(id string, rev revtree.Rev, old *store.Document, without string) store.Edit {
	edit := store.Edit{Doc: document.Doc{ID: id, HasID: true, Rev: rev, HasRev: !rev.IsZero(), Body: []byte("{}")}}
	if old != nil {
		edit.Doc.Body, edit.Doc.Deleted = old.Body, old.Deleted
		edit.Attachments = attachments.Kept(old, without)
	}
	return edit
}

// writeAttachmentEdit writes an edit that changes an attachment. location is the path of a new
// one; if it is empty, the attachment is gone.
func writeAttachmentEdit(w http.ResponseWriter, r *http.Request, db *store.DB, edit store.Edit, location string) error {
	status := http.StatusOK
	if location != "" {
		status = http.StatusCreated
	}
	one := write.One{Edit: edit, Answer: func(result store.Result) (write.Answer, error) {
		if result.Err != nil {
			return write.Answer{}, result.Err
		}
		a := write.Answer{Status: status, Body: appendEdited(make([]byte, 0, 128), result.ID, result.Rev)}
		if location != "" {
			a.Location = wire.Absolute(r, location)
		}
		return a, nil
	}}
	return one.Write(w, r, db)
}
