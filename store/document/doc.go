// Package document reads the bytes of incoming documents.
//
// Parse and ParseBulk go over the JSON once, for an edit, a replicated change or a local
// document alike. They check it, take out the special members (_id, _rev, _deleted, _revisions,
// _attachments), and write the rest as the body to be stored. Inline attachments are checked
// but not decoded.
//
// RevID builds the Erlang term that CouchDB would build from the body, since the revision id is
// the MD5 of that term. Only an edit needs one: a replicated change brings its revision, and a
// local document has none.
//
// What always holds:
//   - the body keeps the members' order and the numbers' spelling; of repeated members
//     the last counts, with its place;
//   - the same edit gets the same revision id as in CouchDB;
//   - nothing of a malformed document is used: the first error ends the parse.
package document

import "github.com/tododb/tododb/revtree"

// Doc is one document taken from JSON.
type Doc struct {
	ID     string
	HasID  bool
	Rev    revtree.Rev // of _rev
	HasRev bool
	// Path is _revisions, newest first; nil if it is absent.
	Path    []revtree.Rev
	Deleted bool
	// Attachments are the entries of _attachments, in order; of a repeated name the last
	// counts. They are valid as long as the JSON that they came in.
	Attachments []Attachment
	// Body is the JSON object without the special members, without white space and
	// without repeated names; nil stands for {}.
	Body []byte

	attErr error // what is wrong with Attachments
}

// Options say what Parse and ParseBulk accept.
type Options struct {
	// MaxSize is the greatest size of a document's Body in bytes, 0 for any: special
	// members, attachments among them, do not count (couch_doc.erl, validate_doc_body).
	MaxSize int64
	// MaxID is the most bytes of an _id, 0 for any number.
	MaxID int64
	// MaxDocs is the most documents that ParseBulk reads, 0 for any number.
	MaxDocs int
	// MostDocs is the most documents that a _bulk_docs request may have, 0 for any number.
	MostDocs int
	// Expect is the likely total size in bytes of the documents without attachments, for which
	// room is made; 0: the size of the JSON.
	Expect int
	// Local says that the document is a local one, whatever its id. Its _revisions is not a
	// path but the number that CouchDB's replicator sends back.
	Local bool
}

// CheckPath refuses a Path that extends below the first generation. Parse has already checked
// this, unless it took the document for a local one.
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

// CheckAttachments returns the fault in the document's attachments, an *Error, or nil. Parse
// does not report it: a local document's attachments do not matter, and only the caller may
// know whether the document is local.
func (d *Doc) CheckAttachments() error { return d.attErr }

// Tombstone is the edit that deletes a document: nothing but its id and the mark.
func Tombstone(id string) Doc {
	return Doc{ID: id, HasID: true, Deleted: true, Body: []byte("{}")}
}

// SetBody replaces the body by a JSON object. It ignores the object's special members; those of
// d stay.
func (d *Doc) SetBody(object []byte) error {
	next, err := Parse(object, Options{})
	if err != nil {
		return err
	}
	d.Body = next.Body
	return nil
}
