package attachments

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

// Send answers with the bytes of an attachment. If it came gzip-encoded, it goes out that way
// to clients that accept it, and decompressed to others.
func Send(w http.ResponseWriter, r *http.Request, db *store.DB, att *store.Attachment) error {
	h := w.Header()
	etag := `"` + strings.TrimPrefix(att.Digest.String(), "md5-") + `"`
	h["Etag"] = []string{etag}
	if wire.MatchesETag(r, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Cache-Control"] = wire.MustRevalidate
	h["Content-Type"] = []string{att.Type}
	if att.Encoding != "" {
		h["Accept-Ranges"] = []string{"none"}
		if !wire.AcceptsCoding(r, "gzip") {
			return sendUnpacked(w, r, db, att)
		}
		h["Content-Encoding"] = []string{att.Encoding}
		return sendSpan(w, r, db, att, span{0, att.Length})
	}
	h["Accept-Ranges"] = []string{"bytes"}
	spans, err := parseRange(r.Header.Get("Range"), att.Length)
	switch {
	case err != nil:
		delete(h, "Etag")
		return err
	case len(spans) == 0:
		return sendSpan(w, r, db, att, span{0, att.Length})
	case len(spans) == 1:
		h["Content-Range"] = []string{spans[0].contentRange(att.Length)}
		return sendSpan(w, r, db, att, spans[0])
	}
	return sendSpans(w, r, db, att, spans)
}

// sendSpan sends some of the bytes. If they are a part, Content-Range says so already.
func sendSpan(w http.ResponseWriter, r *http.Request, db *store.DB, att *store.Attachment, sp span) error {
	h := w.Header()
	h["Content-Length"] = []string{formatInt(sp.length)}
	status := http.StatusOK
	if len(h["Content-Range"]) > 0 {
		status = http.StatusPartialContent
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	return copyAttachment(r.Context(), w, db, att, sp)
}

func copyAttachment(ctx context.Context, w io.Writer, db *store.DB, att *store.Attachment, sp span) error {
	in := db.ReadAttachment(ctx, att.Digest, sp.from, sp.length)
	defer in.Close()
	_, err := in.WriteTo(w)
	return err
}

func sendUnpacked(w http.ResponseWriter, r *http.Request, db *store.DB, att *store.Attachment) error {
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	return copyUnpacked(r.Context(), w, db, att)
}

// copyUnpacked writes the decompressed bytes.
func copyUnpacked(ctx context.Context, w io.Writer, db *store.DB, att *store.Attachment) error {
	in := db.ReadAttachment(ctx, att.Digest, 0, att.Length)
	defer in.Close()
	if att.Encoding == "" {
		_, err := in.WriteTo(w)
		return err
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, z)
	return err
}
