package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// parseRevList reads a JSON array of revisions.
func parseRevList(raw []byte) ([]revtree.Rev, error) {
	revs := []revtree.Rev{}
	if !jsonscan.Valid(raw) {
		return nil, errNotJSON
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
		return nil, badRequest("Invalid list of revisions")
	}
	return revs, err
}

// getOpenRevs answers GET of several revisions of a document, as JSON or in parts.
func (s *Server) getOpenRevs(w http.ResponseWriter, r *http.Request, db *store.DB, id string, q *docQuery) error {
	var revs []revtree.Rev // nil: all leaves
	if q.openRevs != "all" {
		var err error
		if revs, err = parseRevList([]byte(q.openRevs)); err != nil {
			return err
		}
	}
	found, err := db.OpenRevs(r.Context(), id, revs, store.ReadOptions{Revs: q.revs, Latest: q.latest})
	if err != nil {
		return err
	}
	if wantsParts(r) {
		return writeRevParts(w, r, found)
	}
	st := newStream(w, r, http.StatusOK)
	defer st.drop()
	st.buf = append(st.buf, '[')
	for i, f := range found {
		if i > 0 {
			st.buf = append(st.buf, ',')
		}
		st.buf = appendOpenRev(st.buf, f)
		if st.full() {
			if err := st.flush(); err != nil {
				return err
			}
		}
	}
	st.buf = append(st.buf, ']')
	return st.end()
}

// appendOpenRev appends {"ok": document} or {"missing": revision}.
func appendOpenRev(b []byte, f store.OpenRev) []byte {
	if f.Doc == nil {
		return append(appendRev(append(b, `{"missing":`...), f.Missing), '}')
	}
	b = append(b, `{"ok":`...)
	b = f.Doc.AppendJSON(b, store.JSONOptions{})
	return append(b, '}')
}

// wantsParts tells whether several revisions go out as multipart/mixed: unless JSON, or
// another type alone, is asked for. As in CouchDB that is also what a client gets who
// says nothing.
func wantsParts(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	switch {
	case accept == "", strings.Contains(accept, "multipart/mixed"), strings.Contains(accept, "multipart/*"):
		return true
	}
	return strings.Contains(accept, "*/*") && !strings.Contains(accept, "application/json")
}

// writeRevParts sends each revision as a part of its own.
func writeRevParts(w http.ResponseWriter, r *http.Request, found []store.OpenRev) error {
	boundary := newBoundary()
	w.Header()["Content-Type"] = []string{`multipart/mixed; boundary="` + boundary + `"`}
	st := newStream(w, r, http.StatusOK)
	defer st.drop()
	for _, f := range found {
		st.buf = append(append(append(st.buf, "\r\n--"...), boundary...), "\r\nContent-Type: application/json"...)
		if f.Doc == nil {
			st.buf = append(st.buf, `; error="true"`...)
		}
		st.buf = append(st.buf, "\r\n\r\n"...)
		if f.Doc == nil {
			st.buf = append(appendRev(append(st.buf, `{"missing":`...), f.Missing), '}')
		} else {
			st.buf = f.Doc.AppendJSON(st.buf, store.JSONOptions{})
		}
		if st.full() {
			if err := st.flush(); err != nil {
				return err
			}
		}
	}
	st.buf = append(append(append(st.buf, "\r\n--"...), boundary...), "--"...)
	return st.end()
}
