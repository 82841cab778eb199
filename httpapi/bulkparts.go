package httpapi

import (
	"io"
	"net/http"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// A _bulk_docs request that is long, or has many documents, is read twice: first all of it
// is judged, since what cannot be read anywhere in it fails the whole; then it is written in
// parts, each as large as the store takes in one transaction anyway. Documents stand each
// for itself, so nobody can tell.
const (
	partDocs  = 1000
	partBytes = 4 << 20
)

// readBulk reads a request. parts, if not nil, gives its documents; they are not in bulk
// then.
func (s *Server) readBulk(w http.ResponseWriter, r *http.Request, db *store.DB) (bulk document.Bulk, parts *document.BulkReader, err error) {
	set := s.set.Load()
	opt := document.Options{MaxSize: set.maxDocumentSize, MaxDocs: 2 * partDocs}
	meter := document.NewMeter(true, opt)
	body, err := s.takeBody(w, r, set.maxRequestSize, meter.Add)
	if err != nil {
		return bulk, nil, err
	}
	src := body.Bytes()
	if !body.Mapped() {
		if err := s.work(r, int64(len(src))); err != nil {
			return bulk, nil, err
		}
		if bulk, err = document.ParseBulk(src, opt); err != document.ErrManyDocs {
			return bulk, nil, err
		}
		_ = meter.Add(src) // only to measure it: its documents cannot be too large for what it is
	}
	size := meter.Measure()
	share, err := set.budget.Work(r.Context(), workFactor*min(size.Total, partBytes+size.Largest))
	if err != nil {
		return bulk, nil, err
	}
	exchangeOf(r).share.Release()
	if bulk, parts, err = s.scanBulk(r, db, src, opt); err != nil {
		share.Release()
		return bulk, nil, err
	}
	if bulk.AllOrNothing || !bulk.Atomic && exchangeOf(r).once == nil && r.Header.Get("If-Match") == "" {
		x := exchangeOf(r)
		x.share, x.keeps = share, true // it writes on while it answers
		return bulk, parts, nil
	}
	share.Release() // it needs all of them at once
	if size.Total > store.MaxSingleBytes {
		return bulk, nil, store.ErrTransactionTooLarge
	}
	if err := s.work(r, size.Total); err != nil {
		return bulk, nil, err
	}
	opt.MaxDocs, opt.Expect = 0, int(size.Total)+1
	bulk, err = document.ParseBulk(src, opt)
	return bulk, nil, err
}

// scanBulk judges all that can be wrong with a request as a whole.
func (s *Server) scanBulk(r *http.Request, db *store.DB, src []byte, opt document.Options) (document.Bulk, *document.BulkReader, error) {
	noRevision, stubs := false, false
	bulk, docs, err := document.ScanBulk(src, opt, func(_ *document.Bulk, doc *document.Doc) error {
		noRevision = noRevision || !doc.HasRev && len(doc.Path) == 0
		if doc.Attachments == nil || strings.HasPrefix(doc.ID, "_local/") {
			return nil
		}
		sent, err := parseSent(doc.Attachments)
		for i := range sent {
			stubs = stubs || sent[i].stub
		}
		return err
	})
	if err != nil {
		return bulk, nil, err
	}
	if bulk.Replicated && noRevision {
		return bulk, nil, errNoRevision
	}
	if stubs && !bulk.AllOrNothing {
		again := *docs
		err = s.checkStubs(r, db, &bulk, &again)
	}
	return bulk, docs, err
}

// checkStubs refuses a request in which a stub stands for nothing.
func (s *Server) checkStubs(r *http.Request, db *store.DB, bulk *document.Bulk, docs *document.BulkReader) error {
	for {
		some, err := docs.Next(partDocs, partBytes)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range some {
			edit := store.Edit{Doc: some[i]}
			if some[i].Attachments == nil || strings.HasPrefix(some[i].ID, "_local/") {
				continue
			}
			sent, err := parseSent(some[i].Attachments)
			if err != nil {
				return err
			}
			for k := range sent {
				if sent[k].stub {
					edit.Attachments = append(edit.Attachments, sent[k].edit())
				}
			}
			if err := db.CheckStubs(r.Context(), &edit, bulk.Replicated); err != nil {
				return err
			}
		}
	}
}

// bulkInParts writes documents part by part, and answers as it goes. Once the answer has
// begun an error cuts it: what was written until then stays.
func (s *Server) bulkInParts(w http.ResponseWriter, r *http.Request, db *store.DB, bulk *document.Bulk, parts *document.BulkReader) error {
	var explain *store.DB
	if prefersRepresentation(r) {
		explain = db
	}
	status := http.StatusCreated
	if bulk.AllOrNothing {
		status = http.StatusExpectationFailed
	}
	st := newStream(w, r, status)
	defer st.drop()
	st.buf = append(st.buf, '[')
	for rows := 0; ; {
		docs, err := parts.Next(partDocs, partBytes)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		part := document.Bulk{Docs: docs, Replicated: bulk.Replicated}
		var results []store.Result
		if bulk.AllOrNothing {
			results = allOrNone(docs)
		} else {
			if err := s.completeDocs(&part); err != nil {
				return err
			}
			if results, err = s.writeBulk(w, r, db, &part); err != nil {
				return err
			}
		}
		for i := range results {
			if bulk.AllOrNothing {
				if rows++; rows > 1 {
					st.buf = append(st.buf, ',')
				}
				st.buf = appendFailed(st.buf, &results[i], true)
			} else if rows, err = appendBulkRow(r.Context(), &st.buf, rows, &part, i, &results[i], explain); err != nil {
				return err
			}
			if st.full() {
				if err := st.flush(); err != nil {
					return err
				}
			}
		}
	}
	st.buf = append(st.buf, "]\n"...)
	return st.end()
}
