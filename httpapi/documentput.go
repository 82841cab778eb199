package httpapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

var errNeedsRev = badRequest("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")

// putDocument answers PUT of a document.
func (s *Server) putDocument(w http.ResponseWriter, r *http.Request) error {
	id, err := docID(r)
	if err != nil {
		return err
	}
	db, err := s.openDB(r, accessTo(id))
	if err != nil {
		return err
	}
	defer db.Release()
	q, err := parseDocQuery(r)
	if err != nil {
		return err
	}
	if err := document.ValidID(id); err != nil {
		return err
	}
	if isType(r.Header.Get("Content-Type"), "multipart/related") {
		return errNotBuilt
	}
	doc, err := s.readDocument(w, r)
	if err != nil {
		return err
	}
	doc.ID, doc.HasID = id, true
	if doc.Rev, err = editRev(r, &q, doc.Rev, doc.HasRev); err != nil {
		return err
	}
	return s.writeDocument(w, r, db, &q, doc)
}

// readDocument reads a document from the body of a request.
func (s *Server) readDocument(w http.ResponseWriter, r *http.Request) (document.Doc, error) {
	body, err := s.readBody(w, r)
	if err != nil {
		return document.Doc{}, err
	}
	doc, err := document.Parse(body, document.Options{MaxSize: s.opt.MaxDocumentSize})
	if err == nil && doc.Attachments != nil {
		err = errNotBuilt
	}
	return doc, err
}

// accessTo is what writing a document needs.
func accessTo(id string) access {
	if strings.HasPrefix(id, "_design/") {
		return dbAdmin
	}
	return reader
}

// writeDocument writes one document and answers.
func (s *Server) writeDocument(w http.ResponseWriter, r *http.Request, db *store.DB, q *docQuery, doc document.Doc) error {
	if q.replicated && doc.Rev.IsZero() && doc.Path == nil {
		return errNeedsRev
	}
	results, err := db.Write(r.Context(), []store.Edit{{Doc: doc}}, store.WriteOptions{Replicated: q.replicated})
	if err != nil {
		return err
	}
	if q.batch {
		return writeJSON(w, r, http.StatusAccepted, append(appendString([]byte(`{"ok":true,"id":`), doc.ID), '}'))
	}
	if results[0].Err != nil {
		return results[0].Err
	}
	status := http.StatusCreated
	if doc.Deleted && r.Method != http.MethodPost && r.Method != "COPY" {
		status = http.StatusOK
	}
	return writeEdited(w, r, status, results[0])
}

// writeEdited tells what an edit made, and, where it made something, where that is.
func writeEdited(w http.ResponseWriter, r *http.Request, status int, result store.Result) error {
	setETag(w, r, result.Rev)
	if status == http.StatusCreated {
		w.Header()["Location"] = []string{absolute(r, "/"+mux.Vars(r)["db"]+"/"+escapeID(result.ID))}
	}
	return writeJSON(w, r, status, appendEdited(make([]byte, 0, 128), result.ID, result.Rev))
}

func appendEdited(b []byte, id string, rev revtree.Rev) []byte {
	b = appendString(append(b, `{"ok":true,"id":`...), id)
	b = appendRev(append(b, `,"rev":`...), rev)
	return append(b, '}')
}

// escapeID writes a document id as it stands in a path: the slash of design and local
// documents stays.
func escapeID(id string) string {
	for _, prefix := range []string{"_design/", "_local/"} {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			return prefix + escapeSegment(rest)
		}
	}
	return escapeSegment(id)
}

func escapeSegment(s string) string {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0) {
			return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
		}
	}
	return s
}
