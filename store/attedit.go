package store

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// EditAttachment is an attachment of an edit: bytes that come with it, or a stub for an
// attachment that the document already has.
type EditAttachment struct {
	Name   string
	Type   string
	Staged *Staged     // nil: a stub
	As     *Attachment // not nil: an attachment of another revision, unchanged
	// RevPos is the generation that the client sent. A stub's must be the right one. A
	// replicated attachment keeps it. Otherwise it is ignored.
	RevPos    uint64
	HasRevPos bool
	// Digest, if given, is the digest of the bytes that a replicated stub stands for.
	// Generations alone are not enough: CouchDB gives generation 1 to an attachment of a
	// document that was deleted.
	Digest    Digest
	HasDigest bool
	// Encoding is "gzip" for bytes that arrived compressed. DecodedLength is then their length
	// unpacked, 0 if it is not known.
	Encoding      string
	DecodedLength int64
}

// MissingStub is the error for a stub whose attachment the document does not have.
type MissingStub struct{ ID, Name string }

func (e *MissingStub) Error() string {
	return fmt.Sprintf("Invalid attachment stub in %s for %s", e.ID, e.Name)
}

// resolve turns an edit's attachments into the form in which they are stored. The error may be
// a *MissingStub. A revision never changes, so a stub may be looked up in the parent before the
// transaction that decides whether the parent may be edited.
func (db *DB) resolve(ctx context.Context, e *Edit, parent revtree.Rev, replicated bool) ([]Attachment, error) {
	if len(e.Attachments) == 0 {
		return nil, nil
	}
	atts := make([]Attachment, 0, len(e.Attachments))
	var known []Attachment // of the revisions that stubs may refer to
	looked := false
	for _, a := range e.Attachments {
		if a.As != nil {
			atts = append(atts, *a.As)
			continue
		}
		if a.Staged != nil {
			revpos := parent.Gen + 1
			if replicated {
				revpos = a.RevPos
			}
			atts = append(atts, Attachment{Name: a.Name, Type: a.Type, Digest: a.Staged.Digest, Length: a.Staged.Length,
				RevPos: revpos, Encoding: a.Encoding, DecodedLength: a.DecodedLength})
			continue
		}
		if !looked {
			looked = true
			var err error
			if known, err = db.ancestorsAttachments(ctx, e, parent, replicated); err != nil {
				return nil, err
			}
		}
		found := false
		for _, k := range known {
			same := k.Name == a.Name && (!a.HasRevPos || k.RevPos == a.RevPos)
			if same && (!replicated || !a.HasDigest || k.Digest == a.Digest) {
				atts, found = append(atts, k), true
				break
			}
		}
		if !found {
			return nil, &MissingStub{ID: e.Doc.ID, Name: a.Name}
		}
	}
	return atts, nil
}

// CheckStubs checks that an edit's stubs stand for attachments that are here; if not, the error
// is a *MissingStub. Write checks this too with the same options, but for all its edits together.
func (db *DB) CheckStubs(ctx context.Context, e *Edit, opt WriteOptions) error {
	head := e.Doc.Rev
	if len(e.Doc.Path) > 0 {
		head = e.Doc.Path[0]
	}
	_, err := db.resolve(ctx, e, head, opt.Replicated)
	return err
}

// ancestorsAttachments reads the attachments that a stub may stand for: the parent's, or, for a
// replicated change, its ancestors', the nearest first.
func (db *DB) ancestorsAttachments(ctx context.Context, e *Edit, parent revtree.Rev, replicated bool) (known []Attachment, err error) {
	ancestors := []revtree.Rev{parent}
	if replicated {
		ancestors = e.Doc.Path
	}
	err = db.view(ctx, func(r engine.Reader) error {
		known = nil
		v, err := r.Get(spaceDoc, []byte(e.Doc.ID))
		if err != nil || v == nil {
			return err
		}
		rec, err := parseDocRecord(v)
		if err != nil {
			return err
		}
		tree, err := rec.decode()
		if err != nil {
			return err
		}
		for _, rev := range ancestors {
			n, ok := tree.Find(rev)
			if !ok || n.Data == nil {
				continue
			}
			atts, err := readAttachments(r, n.Data)
			if err != nil {
				return err
			}
			known = append(known, atts...)
		}
		return nil
	})
	return known, err
}
