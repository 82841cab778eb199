// Package document reads the bytes of a document on their way in.
//
// Parse and ParseBulk go over the JSON once. They check it, take the special members
// apart (_id, _rev, _deleted, _revisions, _attachments), and write down the rest twice:
// as the body that is stored, and as the Erlang term that CouchDB would have made of
// it, since the revision id is the MD5 of that term.
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
	// Attachments is the JSON of _attachments; nil if it is absent or {}.
	Attachments []byte
	// Body is the JSON object without the special members, without white space.
	Body []byte

	term []byte // Body as an Erlang term
}

// Options say what to accept.
type Options struct {
	// MaxSize is the greatest size of a document's Body in bytes, 0 for any: special
	// members, attachments among them, do not count (couch_doc.erl, validate_doc_body).
	MaxSize int64
	// MaxDocs is how many documents ParseBulk reads, 0 for any number.
	MaxDocs int
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
	d.Body, d.term = next.Body, next.term
	return nil
}
