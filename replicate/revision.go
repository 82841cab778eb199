package replicate

import (
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// Revision is a revision of a document on its way from one peer to the other. It becomes JSON
// only for a remote peer. Between two databases of this server it stays as it is stored.
type Revision struct {
	Doc document.Doc // without its Attachments
	// Attachments are all attachments. A revision that has any is sent alone.
	Attachments []Attachment
	// Unreadable says why no peer could accept it. Then only its id is known, and its revision
	// if it has one.
	Unreadable error
	holds      bool // the place of large pieces is taken while it is carried
}

// readRevision reads a revision from a peer's JSON. It keeps no reference to the JSON.
func readRevision(raw []byte) *Revision {
	doc, err := document.Parse(raw, document.Options{})
	if err == nil {
		err = doc.CheckAttachments()
	}
	r := &Revision{Doc: doc, Unreadable: err}
	if err != nil {
		r.Doc = namesOf(raw)
		return r
	}
	for i := range doc.Attachments {
		r.Attachments = append(r.Attachments, attachmentOf(&doc.Attachments[i]))
	}
	r.Doc.Attachments = nil // they alias the JSON
	return r
}

// namesOf finds the id and the revision of a document that cannot be read otherwise.
func namesOf(raw []byte) (doc document.Doc) {
	err := jsonscan.EachMember(raw, func(name, value []byte) error {
		switch string(name) {
		case "_id":
			doc.ID = seqText(value)
		case "_rev":
			if rev, err := revtree.Parse(seqText(value)); err == nil {
				doc.Rev = rev
			}
		}
		return nil
	})
	if err != nil {
		doc.ID = "(unreadable)"
	}
	return doc
}

// storedRevision makes a Revision from a document of this server.
func storedRevision(d *store.Document) *Revision {
	r := &Revision{Doc: document.Doc{ID: d.ID, HasID: true, Rev: d.Rev, HasRev: true, Path: d.Path, Deleted: d.Deleted, Body: d.Body}}
	for i := range d.Attachments {
		a := &d.Attachments[i]
		r.Attachments = append(r.Attachments, Attachment{Name: a.Name, Type: a.Type, RevPos: a.RevPos,
			Length: a.Length, Unpacked: a.DecodedLength, Encoding: a.Encoding, Digest: a.Digest.String()})
	}
	return r
}

// size estimates how much memory the revision takes.
func (r *Revision) size() int { return len(r.Doc.Body) + 32*len(r.Doc.Path) + 256 }
