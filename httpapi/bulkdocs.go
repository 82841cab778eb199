package httpapi

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

var (
	errNoRevision = badRequest("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
	errAllOrNone  = errorf(http.StatusExpectationFailed, "not_implemented", "all_or_nothing is not supported")
)

// bulkDocs answers POST /db/_bulk_docs. What cannot be read fails the whole request
// and nothing is written; what the store turns down fails that document alone.
func (s *Server) bulkDocs(w http.ResponseWriter, r *http.Request) error {
	db, err := s.openDB(r, reader)
	if err != nil {
		return err
	}
	defer db.Release()
	if err := requireJSON(r); err != nil {
		return err
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	bulk, err := document.ParseBulk(body, document.Options{MaxSize: s.set.Load().maxDocumentSize})
	if err != nil {
		return err
	}
	if bulk.AllOrNothing {
		return s.refuseAll(w, r, bulk.Docs)
	}
	if err := s.completeDocs(&bulk); err != nil {
		return err
	}
	results, err := s.writeBulk(r, db, &bulk)
	if err != nil {
		return err
	}
	st := newStream(w, r, http.StatusCreated)
	defer st.drop()
	st.buf = append(st.buf, '[')
	first := true
	for i := range results {
		res := &results[i]
		if bulk.Replicated && res.Err == nil {
			continue // the client knows the revision: it has given it
		}
		if !first {
			st.buf = append(st.buf, ',')
		}
		first = false
		if res.Err == nil {
			st.buf = appendWritten(st.buf, res)
		} else {
			st.buf = appendFailed(st.buf, res, bulk.Replicated)
		}
		if st.full() {
			if err := st.flush(); err != nil {
				return err
			}
		}
	}
	st.buf = append(st.buf, "]\n"...)
	return st.end()
}

// completeDocs gives ids to documents without one and refuses what cannot be written.
func (s *Server) completeDocs(bulk *document.Bulk) error {
	for i := range bulk.Docs {
		doc := &bulk.Docs[i]
		if bulk.Replicated && !doc.HasRev && len(doc.Path) == 0 {
			return errNoRevision
		}
		if !doc.HasID {
			doc.ID, doc.HasID = s.newID(), true
		}
	}
	return nil
}

// writeBulk writes the documents that the user may write; results are in the order of
// the request.
func (s *Server) writeBulk(r *http.Request, db *store.DB, bulk *document.Bulk) ([]store.Result, error) {
	refusal, err := s.refusesDesign(r, db, bulk.Docs)
	if err != nil {
		return nil, err
	}
	docs := bulk.Docs
	if refusal != nil {
		docs = slices.DeleteFunc(slices.Clone(docs), func(d document.Doc) bool { return isDesign(d.ID) })
	}
	edits, err := s.editsOf(r.Context(), db, docs)
	if err != nil {
		return nil, err
	}
	var written []store.Result
	if len(edits) > 0 {
		written, err = db.Write(r.Context(), edits, store.WriteOptions{Replicated: bulk.Replicated})
	}
	if err != nil || refusal == nil {
		return written, err
	}
	results := make([]store.Result, len(bulk.Docs))
	next := 0
	for i := range bulk.Docs {
		doc := &bulk.Docs[i]
		if isDesign(doc.ID) {
			results[i] = store.Result{ID: doc.ID, Rev: givenRev(doc), Err: refusal}
		} else {
			results[i] = written[next]
			next++
		}
	}
	return results, nil
}

func isDesign(id string) bool { return strings.HasPrefix(id, "_design/") }

// refusesDesign tells why the user may not write the design documents among docs; nil
// if there are none or the user may.
func (s *Server) refusesDesign(r *http.Request, db *store.DB, docs []document.Doc) (refusal, err error) {
	for i := range docs {
		if !isDesign(docs[i].ID) {
			continue
		}
		err := s.authorize(r, db, dbAdmin)
		if _, ok := errors.AsType[*apiError](err); ok {
			return err, nil
		}
		return nil, err
	}
	return nil, nil
}

// givenRev is the revision that a document came with.
func givenRev(doc *document.Doc) revtree.Rev {
	if len(doc.Path) > 0 {
		return doc.Path[0]
	}
	return doc.Rev
}

// refuseAll answers a request that asks for something that no longer exists.
func (s *Server) refuseAll(w http.ResponseWriter, r *http.Request, docs []document.Doc) error {
	st := newStream(w, r, http.StatusExpectationFailed)
	defer st.drop()
	st.buf = append(st.buf, '[')
	for i := range docs {
		if i > 0 {
			st.buf = append(st.buf, ',')
		}
		st.buf = appendFailed(st.buf, &store.Result{ID: docs[i].ID, Rev: givenRev(&docs[i]), Err: errAllOrNone}, true)
	}
	st.buf = append(st.buf, "]\n"...)
	return st.end()
}

func appendWritten(b []byte, res *store.Result) []byte {
	b = append(b, `{"ok":true,"id":`...)
	b = appendString(b, res.ID)
	b = append(b, `,"rev":`...)
	return append(appendRev(b, res.Rev), '}')
}

func appendFailed(b []byte, res *store.Result, withRev bool) []byte {
	_, word, reason, _ := answerOf(res.Err)
	b = append(b, `{"id":`...)
	b = appendString(b, res.ID)
	if withRev {
		b = append(b, `,"rev":`...)
		b = appendRev(b, res.Rev)
	}
	b = append(b, `,"error":`...)
	b = appendString(b, word)
	b = append(b, `,"reason":`...)
	return append(appendString(b, reason), '}')
}
