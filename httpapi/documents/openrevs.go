package documents

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// parseRevList reads a JSON array of revisions.
func parseRevList(raw []byte) ([]revtree.Rev, error) {
	revs := []revtree.Rev{}
	if !jsonscan.Valid(raw) {
		return nil, wire.ErrNotJSON
	}
	err := jsonscan.EachElement(raw, func(value []byte) error {
		text, err := jsonscan.Text(value)
		if err != nil {
			return err
		}
		rev, err := revtree.Parse(text)
		revs = append(revs, rev)
		return err
	})
	if errors.Is(err, jsonscan.ErrSyntax) {
		return nil, wire.BadRequest("Invalid list of revisions")
	}
	return revs, err
}

// getOpenRevs answers GET of several revisions of a document, as JSON or in parts.
func getOpenRevs(w http.ResponseWriter, r *http.Request, db *store.DB, id string, q *docQuery) error {
	var revs []revtree.Rev // nil: all leaves
	if q.openRevs != "all" {
		var err error
		if revs, err = parseRevList([]byte(q.openRevs)); err != nil {
			return err
		}
	}
	opt := store.ReadOptions{Revs: q.revs || q.attachments.HasSince, Latest: q.latest, Paged: true}
	found, err := db.OpenRevs(r.Context(), id, revs, opt)
	if err != nil {
		return err
	}
	parts := wantsParts(r)
	wanted := q.attachments
	boundary := attachments.NewBoundary()
	if parts {
		wanted.All = true // a client that wants parts wants the attachments
		w.Header()["Content-Type"] = []string{`multipart/mixed; boundary="` + boundary + `"`}
	}
	st := wire.NewStream(w, r, http.StatusOK)
	defer st.Drop()
	send := revSender{ctx: r.Context(), st: st, db: db, wanted: wanted, revs: q.revs}
	if !parts {
		st.Buf = append(st.Buf, '[')
	}
	for i := range found {
		switch f := &found[i]; {
		case parts:
			err = send.part(boundary, f)
		case i > 0:
			st.Buf = append(st.Buf, ',')
			fallthrough
		default:
			err = send.row(f)
		}
		if err == nil && st.Full() {
			err = st.Flush()
		}
		if err != nil {
			return err
		}
	}
	if parts {
		st.Buf = append(append(append(st.Buf, "\r\n--"...), boundary...), "--"...)
	} else {
		st.Buf = append(st.Buf, "]\n"...)
	}
	return st.End()
}

// wantsParts tells whether several revisions go out as multipart/mixed. They do unless the
// client asks for JSON or only for another type. As in CouchDB, it is also the default.
func wantsParts(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	switch {
	case accept == "", strings.Contains(accept, "multipart/mixed"), strings.Contains(accept, "multipart/*"):
		return true
	}
	return strings.Contains(accept, "*/*") && !strings.Contains(accept, "application/json")
}

// revSender sends revisions that OpenRevs has found, one after another.
type revSender struct {
	ctx    context.Context
	st     *wire.Stream
	db     *store.DB
	wanted attachments.Wanted
	revs   bool // send the histories; they may have been read for atts_since alone
}

// document appends a revision as JSON.
func (s *revSender) document(doc *store.Document) error {
	sends := s.judge(doc)
	opt := store.JSONOptions{Encodings: s.wanted.Encodings}
	if len(doc.Attachments) == 0 || !s.wanted.Any() {
		s.st.Buf = doc.AppendJSON(s.st.Buf, opt)
		return nil
	}
	sending := attachments.Sending{DB: s.db, Doc: doc, Options: opt, Sends: sends}
	return sending.AppendJSON(s.ctx, s.st)
}

func (s *revSender) judge(doc *store.Document) func(*store.Attachment) bool {
	sends := s.wanted.Of(doc)
	if !s.revs {
		doc.Path = nil
	}
	return sends
}

// row appends {"ok": document} or {"missing": revision}.
func (s *revSender) row(f *store.OpenRev) error {
	if err := s.db.ReadRev(s.ctx, f); err != nil {
		return err
	}
	defer f.Forget()
	if f.Doc == nil {
		s.st.Buf = append(wire.AppendRev(append(s.st.Buf, `{"missing":`...), f.Missing), '}')
		return nil
	}
	s.st.Buf = append(s.st.Buf, `{"ok":`...)
	if err := s.document(f.Doc); err != nil {
		return err
	}
	s.st.Buf = append(s.st.Buf, '}')
	return nil
}

// part appends a revision as a part. The part is JSON or, if attachments' bytes come along, has
// parts of its own.
func (s *revSender) part(boundary string, f *store.OpenRev) error {
	if err := s.db.ReadRev(s.ctx, f); err != nil {
		return err
	}
	defer f.Forget()
	s.st.Buf = append(append(append(s.st.Buf, "\r\n--"...), boundary...), "\r\nContent-Type: "...)
	if f.Doc == nil {
		s.st.Buf = append(s.st.Buf, "application/json; error=\"true\"\r\n\r\n"...)
		s.st.Buf = append(wire.AppendRev(append(s.st.Buf, `{"missing":`...), f.Missing), '}')
		return nil
	}
	sending := attachments.Sending{
		DB: s.db, Doc: f.Doc, Sends: s.judge(f.Doc),
		Options: store.JSONOptions{Encodings: true}, // among parts always, as in CouchDB
	}
	if !sending.Any() {
		s.st.Buf = append(s.st.Buf, "application/json\r\n\r\n"...)
		s.st.Buf = f.Doc.AppendJSON(s.st.Buf, sending.Options)
		return nil
	}
	inner := attachments.NewBoundary()
	s.st.Buf = append(append(append(s.st.Buf, `multipart/related; boundary="`...), inner...), "\"\r\n\r\n"...)
	return sending.AppendRelated(s.ctx, s.st, inner)
}
