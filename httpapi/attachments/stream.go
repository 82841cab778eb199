package attachments

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// Wanted says for which attachments of a document to send the bytes.
type Wanted struct {
	All       bool          // attachments=true
	Since     []revtree.Rev // atts_since: those newer than the newest of these
	HasSince  bool
	Encodings bool // att_encoding_info=true
}

func (w *Wanted) Any() bool { return w.All || w.HasSince }

// Of returns a function that chooses among a document's attachments. The document's Path tells
// which of the client's revisions are its ancestors. Others are ignored.
func (w *Wanted) Of(doc *store.Document) func(*store.Attachment) bool {
	if !w.Any() {
		return func(*store.Attachment) bool { return false }
	}
	has := uint64(0)
	for _, mine := range doc.Path {
		for _, rev := range w.Since {
			if rev == mine {
				has = max(has, rev.Gen)
			}
		}
	}
	return func(a *store.Attachment) bool { return a.RevPos > has || has == 0 }
}

// Sending is a document on its way out, with the bytes of some of its attachments.
type Sending struct {
	DB      *store.DB
	Doc     *store.Document
	Options store.JSONOptions
	Sends   func(*store.Attachment) bool // tells of which attachments the bytes go out
}

// AppendJSON appends the document as JSON, with the bytes in it. It may send what is ready in the
// meantime.
func (s *Sending) AppendJSON(ctx context.Context, st *wire.Stream) error {
	opt := s.Options
	opt.Open = true
	st.Buf = s.Doc.AppendJSON(st.Buf, opt)
	if err := s.streamAttachments(ctx, streamWriter{st}); err != nil {
		return err
	}
	st.Buf = append(st.Buf, '}')
	return nil
}

// WriteJSON writes the document as JSON, with the bytes in it.
func (s *Sending) WriteJSON(ctx context.Context, w io.Writer) error {
	opt := s.Options
	opt.Open = true
	if _, err := w.Write(s.Doc.AppendJSON(nil, opt)); err != nil {
		return err
	}
	if err := s.streamAttachments(ctx, w); err != nil {
		return err
	}
	_, err := w.Write([]byte{'}'})
	return err
}

// AppendRow appends the document of a row, with the bytes of its attachments if they are
// wanted. The bytes are read when the stream is flushed.
func AppendRow(ctx context.Context, st *wire.Stream, db *store.DB, doc *store.Document, wanted Wanted) {
	opt := store.JSONOptions{Encodings: wanted.Encodings, Open: wanted.All && len(doc.Attachments) > 0}
	st.Buf = doc.AppendJSON(st.Buf, opt)
	if opt.Open {
		of := &store.Document{Attachments: doc.Attachments}
		later := Sending{DB: db, Doc: of, Options: opt, Sends: wanted.Of(of)}
		st.Later(func() error { return later.streamAttachments(ctx, streamWriter{st}) })
		st.Buf = append(st.Buf, '}')
	}
}

// streamAttachments writes the member _attachments, with the bytes of some.
func (s *Sending) streamAttachments(ctx context.Context, w io.Writer) error {
	var b []byte
	for i := range s.Doc.Attachments {
		a := &s.Doc.Attachments[i]
		b = appendAttachmentName(b, i, a, s.Options)
		if !s.Sends(a) {
			b = append(a.AppendLength(b), `,"stub":true}`...)
			continue
		}
		if _, err := w.Write(append(b, `,"data":"`...)); err != nil {
			return err
		}
		enc := base64.NewEncoder(base64.StdEncoding, w)
		if err := copyUnpacked(ctx, enc, s.DB, a); err != nil {
			return err
		}
		if err := enc.Close(); err != nil {
			return err
		}
		b = append(b[:0], `"}`...)
	}
	if len(s.Doc.Attachments) > 0 {
		b = append(b, '}')
	}
	_, err := w.Write(b)
	return err
}

func appendAttachmentName(b []byte, i int, a *store.Attachment, opt store.JSONOptions) []byte {
	if i == 0 {
		b = append(b, `,"_attachments":{`...)
	} else {
		b = append(b, ',')
	}
	b = jsonscan.AppendString(b, a.Name)
	return a.AppendInfo(append(b, ':'), opt)
}

// streamWriter is an io.Writer that writes into a stream.
type streamWriter struct{ st *wire.Stream }

func (w streamWriter) Write(p []byte) (int, error) {
	w.st.Buf = append(w.st.Buf, p...)
	if w.st.Full() {
		return len(p), w.st.Flush()
	}
	return len(p), nil
}

// AppendRelated appends the document and the bytes as parts: first the JSON, then the attachments
// in its order. As in CouchDB, the JSON always says how the bytes are
// encoded, because they are sent that way and the receiver has to know.
func (s *Sending) AppendRelated(ctx context.Context, st *wire.Stream, boundary string) error {
	st.Buf = append(append(append(st.Buf, "--"...), boundary...), "\r\nContent-Type: application/json\r\n\r\n"...)
	opt := s.Options
	opt.Open, opt.Encodings = true, true
	st.Buf = s.Doc.AppendJSON(st.Buf, opt)
	for i := range s.Doc.Attachments {
		a := &s.Doc.Attachments[i]
		st.Buf = a.AppendLength(appendAttachmentName(st.Buf, i, a, opt))
		if s.Sends(a) {
			st.Buf = append(st.Buf, `,"follows":true}`...)
		} else {
			st.Buf = append(st.Buf, `,"stub":true}`...)
		}
	}
	st.Buf = append(st.Buf, "}}"...)
	for i := range s.Doc.Attachments {
		a := &s.Doc.Attachments[i]
		if !s.Sends(a) {
			continue
		}
		st.Buf = append(append(append(st.Buf, "\r\n--"...), boundary...), "\r\nContent-Disposition: attachment; filename="...)
		st.Buf = append(st.Buf, quoteFilename(a.Name)...)
		st.Buf = append(append(st.Buf, "\r\nContent-Type: "...), store.InHead(a.Type)...)
		st.Buf = append(append(st.Buf, "\r\nContent-Length: "...), formatInt(a.Length)...)
		if a.Encoding != "" {
			st.Buf = append(append(st.Buf, "\r\nContent-Encoding: "...), store.InHead(a.Encoding)...)
		}
		st.Buf = append(st.Buf, "\r\n\r\n"...)
		if err := copyAttachment(ctx, streamWriter{st}, s.DB, a, span{0, a.Length}); err != nil {
			return err
		}
	}
	st.Buf = append(append(append(st.Buf, "\r\n--"...), boundary...), "--"...)
	return nil
}

// quoteFilename writes a name for Content-Disposition.
func quoteFilename(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(store.InHead(name)) + `"`
}

// Any tells whether the bytes of any attachment go out.
func (s *Sending) Any() bool {
	for i := range s.Doc.Attachments {
		if s.Sends(&s.Doc.Attachments[i]) {
			return true
		}
	}
	return false
}

// wantsRelated tells whether a document with attachments goes out as multipart/related. It
// does unless the client asks for JSON or only for another type.
func wantsRelated(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	switch {
	case accept == "", strings.Contains(accept, "multipart/related"), strings.Contains(accept, "multipart/*"):
		return true
	}
	return strings.Contains(accept, "*/*") && !strings.Contains(accept, "application/json")
}

// Write answers with the document.
func (s *Sending) Write(w http.ResponseWriter, r *http.Request) error {
	related := wantsRelated(r) && s.Any()
	boundary := NewBoundary()
	if related {
		w.Header()["Content-Type"] = []string{`multipart/related; boundary="` + boundary + `"`}
	}
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	var err error
	if related {
		err = s.AppendRelated(r.Context(), st, boundary)
	} else {
		err = s.AppendJSON(r.Context(), st)
		st.Buf = append(st.Buf, '\n')
	}
	if err != nil {
		return err
	}
	return st.End()
}
