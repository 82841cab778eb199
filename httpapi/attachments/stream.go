package attachments

import (
	"context"
	"encoding/base64"
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

// AppendDocument appends a document as JSON with the bytes of some attachments. It may send
// what is ready in the meantime.
func AppendDocument(ctx context.Context, st *wire.Stream, db *store.DB, doc *store.Document, opt store.JSONOptions, sends func(*store.Attachment) bool) error {
	opt.Open = true
	st.Buf = doc.AppendJSON(st.Buf, opt)
	if err := streamAttachments(ctx, st, db, doc, opt.Encodings, sends); err != nil {
		return err
	}
	st.Buf = append(st.Buf, '}')
	return nil
}

// AppendRow appends the document of a row, with the bytes of its attachments if they are
// wanted. The bytes are read when the stream is flushed.
func AppendRow(ctx context.Context, st *wire.Stream, db *store.DB, doc *store.Document, wanted Wanted) {
	opt := store.JSONOptions{Encodings: wanted.Encodings, Open: wanted.All && len(doc.Attachments) > 0}
	st.Buf = doc.AppendJSON(st.Buf, opt)
	if opt.Open {
		of := &store.Document{Attachments: doc.Attachments}
		st.Later(func() error { return streamAttachments(ctx, st, db, of, wanted.Encodings, wanted.Of(of)) })
		st.Buf = append(st.Buf, '}')
	}
}

// streamAttachments appends the member _attachments, with the bytes of some.
func streamAttachments(ctx context.Context, st *wire.Stream, db *store.DB, doc *store.Document, encodings bool, sends func(*store.Attachment) bool) error {
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		st.Buf = appendAttachmentName(st.Buf, i, a, encodings)
		if !sends(a) {
			st.Buf = append(a.AppendLength(st.Buf), `,"stub":true}`...)
			continue
		}
		st.Buf = append(st.Buf, `,"data":"`...)
		enc := base64.NewEncoder(base64.StdEncoding, streamWriter{st})
		if err := copyUnpacked(ctx, enc, db, a); err != nil {
			return err
		}
		if err := enc.Close(); err != nil {
			return err
		}
		st.Buf = append(st.Buf, `"}`...)
	}
	if len(doc.Attachments) > 0 {
		st.Buf = append(st.Buf, '}')
	}
	return nil
}

func appendAttachmentName(b []byte, i int, a *store.Attachment, encodings bool) []byte {
	if i == 0 {
		b = append(b, `,"_attachments":{`...)
	} else {
		b = append(b, ',')
	}
	b = jsonscan.AppendString(b, a.Name)
	return a.AppendInfo(append(b, ':'), encodings)
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

// AppendRelated appends a document and the bytes of some attachments as parts: first the JSON,
// then the attachments in its order. As in CouchDB, the JSON always says how the bytes are
// encoded, because they are sent that way and the receiver has to know.
func AppendRelated(ctx context.Context, st *wire.Stream, db *store.DB, doc *store.Document, opt store.JSONOptions, sends func(*store.Attachment) bool, boundary string) error {
	st.Buf = append(append(append(st.Buf, "--"...), boundary...), "\r\nContent-Type: application/json\r\n\r\n"...)
	opt.Open, opt.Encodings = true, true
	st.Buf = doc.AppendJSON(st.Buf, opt)
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		st.Buf = a.AppendLength(appendAttachmentName(st.Buf, i, a, opt.Encodings))
		if sends(a) {
			st.Buf = append(st.Buf, `,"follows":true}`...)
		} else {
			st.Buf = append(st.Buf, `,"stub":true}`...)
		}
	}
	st.Buf = append(st.Buf, "}}"...)
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		if !sends(a) {
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
		if err := copyAttachment(ctx, streamWriter{st}, db, a, span{0, a.Length}); err != nil {
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

// SendsAny tells whether the bytes of any attachment are to be sent.
func SendsAny(doc *store.Document, sends func(*store.Attachment) bool) bool {
	for i := range doc.Attachments {
		if sends(&doc.Attachments[i]) {
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

// WriteDocument answers with one document and the bytes of its attachments.
func WriteDocument(w http.ResponseWriter, r *http.Request, db *store.DB, doc *store.Document, opt store.JSONOptions, sends func(*store.Attachment) bool) error {
	related := wantsRelated(r) && SendsAny(doc, sends)
	boundary := NewBoundary()
	if related {
		w.Header()["Content-Type"] = []string{`multipart/related; boundary="` + boundary + `"`}
	}
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	var err error
	if related {
		err = AppendRelated(r.Context(), st, db, doc, opt, sends, boundary)
	} else {
		err = AppendDocument(r.Context(), st, db, doc, opt, sends)
		st.Buf = append(st.Buf, '\n')
	}
	if err != nil {
		return err
	}
	return st.End()
}
