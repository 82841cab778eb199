package documents

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/store"
)

// GetAttachment answers GET and HEAD of an attachment.
func (d *Room) GetAttachment(w http.ResponseWriter, r *http.Request) error {
	at, err := d.attachmentTarget(r, false)
	if err != nil {
		return err
	}
	db := at.db
	defer db.Release()
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	doc, err := db.Get(r.Context(), at.id, store.ReadOptions{Rev: q.rev})
	if err != nil {
		return err
	}
	att := findAttachment(doc, at.name)
	if att == nil {
		return errNoAttachment
	}
	if sandbox := d.settings().sandbox; sandbox != nil {
		w.Header()["Content-Security-Policy"] = sandbox
	}
	return attachments.Send(w, r, db, att)
}

func findAttachment(doc *store.Document, name string) *store.Attachment {
	for i := range doc.Attachments {
		if doc.Attachments[i].Name == name {
			return &doc.Attachments[i]
		}
	}
	return nil
}
