package documents

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// putRelated answers PUT of a document with its attachments as parts: first the JSON, then, in
// its order, the attachments that it says follow. Their bytes go to disk as they arrive. Names
// and types in the parts' headers are ignored.
func putRelated(w http.ResponseWriter, r *http.Request, db *store.DB, id string, q *docQuery) error {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return wire.BadRequest("Content-Type multipart/related lacks a boundary")
	}
	parts := multipart.NewReader(attachments.NewUntilClosed(http.MaxBytesReader(w, r.Body, wire.SettingsOf(r).MaxRequestSize), params["boundary"]), params["boundary"])
	head, err := nextPart(parts)
	if err != nil {
		return partError(err)
	}
	opt := document.Options{MaxSize: wire.SettingsOf(r).MaxDocumentSize, MaxID: wire.SettingsOf(r).MaxIDLength}
	meter := document.NewMeter(opt)
	body, err := wire.TakeIn(r, head, 0, wire.SettingsOf(r).MaxRequestSize, meter.Add)
	if err != nil {
		return err
	}
	read := func() (document.Doc, error) {
		doc, err := wire.ParseDocument(r, body, meter, opt)
		if err != nil {
			return doc, err
		}
		doc.ID, doc.HasID = id, true
		doc.Rev, err = editRev(r, q, doc.Rev, doc.HasRev)
		return doc, err
	}
	doc, err := read()
	if err != nil {
		return err
	}
	if err := doc.CheckAttachments(); err != nil {
		return err
	}
	sent := doc.Attachments
	long := len(body.Bytes()) > intake.Free
	if long { // do not hold its memory while a client sends slowly
		doc = document.Doc{}
		wire.ExchangeOf(r).EndWork()
	}
	stager := attachments.Stager{DB: db, Limit: wire.SettingsOf(r).MaxAttachmentSize}
	stager.Part = func(a *document.Attachment) (store.Staged, error) {
		return stagePart(r, db, parts, a, stager.InMemory > maxPartsInMemory)
	}
	atts, err := stager.Stage(r.Context(), sent)
	if err != nil {
		return err
	}
	for { // extra parts are ignored, but the message must be read to its end
		_, err := nextPart(parts)
		if err == io.EOF {
			break
		}
		if err != nil {
			return partError(err)
		}
	}
	if long {
		if doc, err = read(); err != nil {
			return err
		}
	}
	return writeEdit(w, r, db, q, store.Edit{Doc: doc, Attachments: atts})
}

// maxPartsInMemory is how many bytes of parts wait in memory. It is small because a client may
// take as long as it likes to send them.
const maxPartsInMemory = 128 << 10

// maxPartHead is how long the head of a part may be.
const maxPartHead = 64 << 10

// nextPart reads up to the bytes of the next part.
func nextPart(parts *multipart.Reader) (*multipart.Part, error) {
	part, err := parts.NextRawPart()
	if err != nil {
		return nil, err
	}
	size := 0
	for name, values := range part.Header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	if size > maxPartHead {
		return nil, errors.New("the head of a part is too long")
	}
	return part, nil
}

// stagePart stores the next part, on disk if it must.
func stagePart(r *http.Request, db *store.DB, parts *multipart.Reader, a *document.Attachment, onDisk bool) (store.Staged, error) {
	part, err := nextPart(parts)
	if err == io.EOF {
		return store.Staged{}, wire.BadRequest("The bytes of attachment %s are missing", a.Name)
	}
	if err != nil {
		return store.Staged{}, partError(err)
	}
	want := a.Length
	if a.Encoding == "gzip" && a.Encoded >= 0 {
		want = a.Encoded
	}
	in := io.Reader(part)
	if want >= 0 {
		in = io.LimitReader(part, want+1)
	}
	staged, err := attachments.StageOne(r.Context(), db, a.Name, in, store.StageOptions{Limit: wire.SettingsOf(r).MaxAttachmentSize, Store: onDisk})
	switch {
	case err != nil:
		return store.Staged{}, partError(err)
	case want >= 0 && staged.Length > want:
		return store.Staged{}, wire.BadRequest("attachment longer than expected")
	case want >= 0 && staged.Length < want:
		return store.Staged{}, wire.BadRequest("attachment shorter than expected")
	}
	return staged, nil
}

// partError says what is wrong with a multipart message.
func partError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return wire.ErrBodyTooLarge
	}
	if known, ok := errors.AsType[*wire.Error](err); ok { // such as a body that stalls
		return known
	}
	if errors.Is(err, store.ErrUploadsBusy) || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrNoDB) || errors.Is(err, store.ErrClosed) {
		return err
	}
	return wire.BadRequest("The multipart message cannot be read: %s", err)
}
