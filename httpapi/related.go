package httpapi

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// putRelated answers PUT of a document with its attachments as parts: first the JSON,
// then, in its order, those that it says follow. Their bytes go to disk as they come;
// names and types in the parts' headers count for nothing.
func (s *Server) putRelated(w http.ResponseWriter, r *http.Request, db *store.DB, id string, q *docQuery) error {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return badRequest("Content-Type multipart/related lacks a boundary")
	}
	parts := multipart.NewReader(newUntilClosed(http.MaxBytesReader(w, r.Body, s.set.Load().maxRequestSize), params["boundary"]), params["boundary"])
	head, err := parts.NextRawPart()
	if err != nil {
		return partError(err)
	}
	// Inline attachments are not counted among a document's size: base64 and all, they
	// may be as large as a request.
	text, err := io.ReadAll(head)
	if err != nil {
		return partError(err)
	}
	doc, err := document.Parse(text, document.Options{MaxSize: s.set.Load().maxDocumentSize})
	if err != nil {
		return err
	}
	doc.ID, doc.HasID = id, true
	if doc.Rev, err = editRev(r, q, doc.Rev, doc.HasRev); err != nil {
		return err
	}
	sent, err := parseSent(doc.Attachments)
	if err != nil {
		return err
	}
	atts, err := s.stageSent(r.Context(), db, sent, func(a *sentAttachment) (store.Staged, error) {
		return s.stagePart(r, db, parts, a)
	})
	if err != nil {
		return err
	}
	for { // parts too many are passed over, but the message must come to its end
		_, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return partError(err)
		}
	}
	return s.writeEdit(w, r, db, q, store.Edit{Doc: doc, Attachments: atts})
}

// stagePart stores the next part.
func (s *Server) stagePart(r *http.Request, db *store.DB, parts *multipart.Reader, a *sentAttachment) (store.Staged, error) {
	part, err := parts.NextRawPart()
	if err == io.EOF {
		return store.Staged{}, badRequest("The bytes of attachment %s are missing", a.name)
	}
	if err != nil {
		return store.Staged{}, partError(err)
	}
	want := a.length
	if a.encoding == "gzip" && a.encoded >= 0 {
		want = a.encoded
	}
	in := io.Reader(part)
	if want >= 0 {
		in = io.LimitReader(part, want+1)
	}
	staged, err := db.StageAttachment(r.Context(), in, s.set.Load().maxAttachmentSize)
	switch {
	case err != nil:
		return store.Staged{}, partError(err)
	case want >= 0 && staged.Length > want:
		return store.Staged{}, badRequest("attachment longer than expected")
	case want >= 0 && staged.Length < want:
		return store.Staged{}, badRequest("attachment shorter than expected")
	}
	return staged, nil
}

// partError says what was wrong with a multipart message.
func partError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errBodyTooLarge
	}
	if errors.Is(err, store.ErrAttachmentTooLarge) || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNoDB) || errors.Is(err, store.ErrClosed) {
		return err
	}
	return badRequest("The multipart message cannot be read: %s", err)
}
