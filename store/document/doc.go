// Package document reads the bytes of a document on their way in.
//
// Parse and ParseBulk go over the JSON once, whatever the document is for: an edit, a
// replicated change or a local document. They check it, take the special members apart
// (_id, _rev, _deleted, _revisions, _attachments), and write down the rest as the body
// that is stored. Inline attachments are checked and not decoded.
//
// RevID makes the Erlang term that CouchDB would have made of the body, since the
// revision id is the MD5 of that term. Only an edit needs one: a replicated change comes
// with its revision, and a local document has none.
//
// What always holds:
//   - the body keeps the members' order and the numbers' spelling; of repeated members
//     the last counts, with its place;
//   - the same edit gets the same revision id as in CouchDB;
//   - nothing of a malformed document is used: the first error ends the parse.
package document

import "github.com/tododb/tododb/revtree"

// Doc is what one JSON document says.
type Doc struct {
	ID     string
	HasID  bool
	Rev    revtree.Rev // of _rev
	HasRev bool
	// Path is _revisions, newest first; nil if it is absent.
	Path    []revtree.Rev
	Deleted bool
	// Attachments are those of _attachments, in their order; of a repeated name the last
	// counts. They are good for as long as the JSON that they came in.
	Attachments []Attachment
	// Body is the JSON object without the special members, without white space and
	// without repeated names; nil stands for {}.
	Body []byte

	attErr error // what is wrong with Attachments
}

// Options say what to accept.
type Options struct {
	// MaxSize is the greatest size of a document's Body in bytes, 0 for any: special
	// members, attachments among them, do not count (couch_doc.erl, validate_doc_body).
	MaxSize int64
	// MaxDocs is how many documents ParseBulk reads, 0 for any number.
	MaxDocs int
	// MostDocs is how many documents a _bulk_docs request may have, 0 for any number.
	MostDocs int
	// Expect is how many bytes the documents will have together without attachments, as far
	// as is known, to make room for; 0: as many as the JSON.
	Expect int
	// Local says that the document is a local one, whatever its id. Of such a one
	// _revisions is no path but the number that CouchDB's replicator sends back.
	Local bool
}

// CheckPath refuses a Path that goes on before the first generation. Parse has done so,
// unless it took the document for a local one.
func (d *Doc) CheckPath() error {
	if n := len(d.Path); n > 0 && d.Path[n-1].Gen == 0 {
		return errLongPath
	}
	return nil
}

// CheckSize refuses a Body of more than limit bytes, 0 for any.
func (d *Doc) CheckSize(limit int64) error {
	if limit > 0 && int64(len(d.Body)) > limit {
		return &Error{TooLarge, d.ID}
	}
	return nil
}

// CheckAttachments tells what is wrong with what the document says of its attachments, an
// *Error. Parse does not: those of a local document do not matter, and whether it is one
// may be for the caller to say.
func (d *Doc) CheckAttachments() error { return d.attErr }

// Tombstone is the edit that deletes a document: nothing but its id and the mark.
func Tombstone(id string) Doc {
	return Doc{ID: id, HasID: true, Deleted: true, Body: []byte("{}")}
}

// SetBody replaces the body by a JSON object; its special members count for nothing,
// those of d stay.
func (d *Doc) SetBody(object []byte) error {
	next, err := Parse(object, Options{})
	if err != nil {
		return err
	}
	d.Body = next.Body
	return nil
}
