package attachments

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// maxStagedInMemory is how many bytes of a request's small attachments may wait in memory until
// their documents are written.
const maxStagedInMemory = 1 << 20

// CheckInline refuses attachments that a request without parts cannot have.
func CheckInline(a *document.Attachment, limit int64) error {
	if a.Follows && !a.Stub {
		return wire.BadRequest("Attachment %s follows, but the request is not multipart/related", a.Name)
	}
	return CheckSize(a.Name, a.Size, limit)
}

// tooLarge refuses an attachment for its size. As in CouchDB the reason is its name, and nothing
// else: it tells a client which of its attachments to leave out.
func tooLarge(name string) error {
	return wire.Errorf(http.StatusRequestEntityTooLarge, "attachment_too_large", "%s", name)
}

// StageOne stores the bytes of one attachment, as store.StageAttachment does.
func StageOne(ctx context.Context, db *store.DB, name string, r io.Reader, opt store.StageOptions) (store.Staged, error) {
	staged, err := db.StageAttachment(ctx, r, opt)
	if errors.Is(err, store.ErrAttachmentTooLarge) {
		return staged, tooLarge(name)
	}
	return staged, err
}

// CheckSize refuses an attachment of an announced size, before it is read.
func CheckSize(name string, size, limit int64) error {
	if limit > 0 && size > limit {
		return tooLarge(name)
	}
	return nil
}

// Edit turns an attachment into an edit, without its bytes.
func Edit(a *document.Attachment) store.EditAttachment {
	e := store.EditAttachment{Name: a.Name, Type: a.Type, RevPos: a.RevPos, HasRevPos: a.HasRevPos}
	if a.Stub {
		e.Digest, e.HasDigest = store.ParseDigest(a.Digest)
	}
	return e
}

// Stager stores the bytes of a request's attachments.
type Stager struct {
	DB    *store.DB
	Limit int64 // of the size of one; 0: there is none

	// Part stores an attachment that follows in a part of its own. nil: none can.
	Part func(a *document.Attachment) (store.Staged, error)

	// InMemory is how many bytes wait in memory.
	InMemory int
}

// Stage stores the bytes of inline attachments and turns all attachments into edits.
func (s *Stager) Stage(ctx context.Context, sent []document.Attachment) ([]store.EditAttachment, error) {
	var out []store.EditAttachment
	for i := range sent {
		a := &sent[i]
		e := Edit(a)
		switch {
		case a.Stub:
		case a.Follows && s.Part == nil:
			return nil, wire.BadRequest("Attachment %s follows, but the request is not multipart/related", a.Name)
		default:
			var staged store.Staged
			var err error
			if a.Follows {
				if staged, err = s.Part(a); err == nil {
					err = checkDigest(a, staged.Digest)
				}
				if a.Encoding == "gzip" {
					e.Encoding, e.DecodedLength = a.Encoding, max(a.Length, 0)
				}
			} else {
				staged, err = StageOne(ctx, s.DB, a.Name, a.Inline(), store.StageOptions{Limit: s.Limit, Store: s.InMemory > maxStagedInMemory, Bounded: true})
			}
			if err != nil {
				return nil, err
			}
			s.InMemory += staged.InMemory()
			e.Staged = &staged
		}
		out = append(out, e)
	}
	return out, nil
}

var errDigest = wire.Errorf(http.StatusBadRequest, "content_md5_mismatch", "Possible message corruption.")

// checkDigest refuses bytes that are not what their sender says they are. An attachment may come
// without a digest, or with one that is not MD5.
func checkDigest(a *document.Attachment, got store.Digest) error {
	if want, ok := store.ParseDigest(a.Digest); ok && want != got {
		return errDigest
	}
	return nil
}

// EditOf turns a document into an edit, and stores its inline attachments.
func EditOf(ctx context.Context, db *store.DB, doc document.Doc, limit int64) (store.Edit, error) {
	s := Stager{DB: db, Limit: limit}
	return s.edit(ctx, doc)
}

func (s *Stager) edit(ctx context.Context, doc document.Doc) (store.Edit, error) {
	if strings.HasPrefix(doc.ID, "_local/") {
		return store.Edit{Doc: doc}, nil // its attachments vanish, as in CouchDB
	}
	if err := doc.CheckAttachments(); err != nil {
		return store.Edit{}, err
	}
	atts, err := s.Stage(ctx, doc.Attachments)
	return store.Edit{Doc: doc, Attachments: atts}, err
}

// EditsOf does the same for many documents. It checks all of them before it stores the bytes
// of the first.
func EditsOf(ctx context.Context, db *store.DB, docs []document.Doc, limit int64) ([]store.Edit, error) {
	edits := make([]store.Edit, len(docs))
	for i := range docs {
		if strings.HasPrefix(docs[i].ID, "_local/") {
			continue
		}
		if err := docs[i].CheckAttachments(); err != nil {
			return nil, err
		}
	}
	s := Stager{DB: db, Limit: limit}
	for i := range docs {
		var err error
		if edits[i], err = s.edit(ctx, docs[i]); err != nil {
			return nil, err
		}
	}
	return edits, nil
}

// Kept turns a revision's attachments into edits that keep them, except the one named without.
func Kept(old *store.Document, without string) (kept []store.EditAttachment) {
	for i := range old.Attachments {
		if a := &old.Attachments[i]; a.Name != without {
			kept = append(kept, store.EditAttachment{Name: a.Name, As: a})
		}
	}
	return kept
}
