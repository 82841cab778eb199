package documents

import (
	"context"
	"errors"
	"net/http"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

var (
	errNoRevision = wire.BadRequest("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
	errAllOrNone  = wire.Errorf(http.StatusExpectationFailed, "not_implemented", "all_or_nothing is not supported")
)

// BulkDocs answers POST /db/_bulk_docs. If anything cannot be read, the whole request fails and
// nothing is written. If the store refuses a document, only that document fails.
func (d *Room) BulkDocs(w http.ResponseWriter, r *http.Request) error {
	db, err := d.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	d.metrics.Bulk()
	if err := wire.RequireJSON(r); err != nil {
		return err
	}
	bulk, parts, err := readBulk(w, r, db)
	if err != nil {
		return err
	}
	if parts != nil {
		return d.bulkInParts(w, r, db, &bulk, parts)
	}
	if bulk.AllOrNothing {
		return refuseAll(w, r, bulk.Docs)
	}
	if err := d.completeDocs(r, db, &bulk); err != nil {
		return err
	}
	results, err := writeBulk(w, r, db, &bulk, false)
	if err != nil {
		return err
	}
	var explain *store.DB
	if write.PrefersRepresentation(r) {
		explain = db
	}
	if bulk.Atomic {
		if e, ok := errors.AsType[*refusedAll](atomicRefusal(&bulk, results)); ok {
			answer, err := e.answer(r.Context(), explain)
			if err != nil {
				return err
			}
			if explain != nil {
				write.SetPreferenceApplied(w)
			}
			return answer.Send(w, r)
		}
	}
	st := wire.NewStream(w, r, http.StatusCreated)
	defer st.Drop()
	st.Buf = append(st.Buf, '[')
	rows := bulkRows{to: &st.Buf, explain: explain}
	for i := range results {
		if err := rows.written(r.Context(), &bulk, i, &results[i]); err != nil {
			return err
		}
		if st.Full() {
			if err := st.Flush(); err != nil {
				return err
			}
		}
	}
	st.Buf = append(st.Buf, "]\n"...)
	return st.End()
}

// bulkDocsAnswer is the whole answer, to be recorded.
func bulkDocsAnswer(ctx context.Context, bulk *document.Bulk, results []store.Result) (write.Answer, error) {
	if bulk.Atomic {
		if e, ok := errors.AsType[*refusedAll](atomicRefusal(bulk, results)); ok {
			return e.answer(ctx, nil)
		}
	}
	b := []byte{'['}
	rows := bulkRows{to: &b}
	for i := range results {
		if err := rows.written(ctx, bulk, i, &results[i]); err != nil {
			return write.Answer{}, err
		}
	}
	return write.Answer{Status: http.StatusCreated, Body: append(b, ']')}, nil
}

// completeDocs gives ids to documents without one and refuses documents that cannot be written.
func (d *Room) completeDocs(r *http.Request, db *store.DB, bulk *document.Bulk) error {
	for i := range bulk.Docs {
		doc := &bulk.Docs[i]
		if bulk.Replicated && !doc.HasRev && len(doc.Path) == 0 {
			return errNoRevision
		}
		if !doc.HasID {
			doc.ID, doc.HasID = d.ids.ID(), true
		}
		if err := db.CheckNewID(doc.ID); err != nil {
			return err
		}
		wire.NoteDocument(r, doc.ID)
	}
	return nil
}

// writeBulk writes the documents, except the ones that the handle refuses. The results are in
// the order of the request. For knownParents see store.WriteOptions.
func writeBulk(w http.ResponseWriter, r *http.Request, db *store.DB, bulk *document.Bulk, knownParents bool) ([]store.Result, error) {
	unchanged, err := unchangedSince(r, db)
	if err != nil {
		return nil, err
	}
	if unchanged != nil && !bulk.Atomic {
		return nil, errUnchangedAtomic
	}
	edits, err := attachments.EditsOf(r.Context(), db, bulk.Docs, wire.SettingsOf(r).MaxAttachmentSize)
	if err != nil {
		return nil, err
	}
	opt, err := write.OptionsOf(w, r, func(written []store.Result) (write.Answer, error) {
		return bulkDocsAnswer(r.Context(), bulk, written)
	})
	if err != nil {
		return nil, err
	}
	opt.Replicated, opt.Atomic, opt.Unchanged = bulk.Replicated, bulk.Atomic, unchanged
	opt.KnownParents = knownParents
	if len(edits) == 0 && unchanged == nil {
		return nil, nil
	}
	results, err := db.Write(r.Context(), edits, opt)
	if err != nil {
		return nil, err
	}
	wire.NoteWritten(r, results)
	return results, nil
}

// refuseAll answers a request that asks for something that no longer exists.
func refuseAll(w http.ResponseWriter, r *http.Request, docs []document.Doc) error {
	st := wire.NewStream(w, r, http.StatusExpectationFailed)
	defer st.Drop()
	st.Buf = append(st.Buf, '[')
	for i, res := range allOrNone(docs) {
		if i > 0 {
			st.Buf = append(st.Buf, ',')
		}
		st.Buf = appendFailed(st.Buf, &res, true)
	}
	st.Buf = append(st.Buf, "]\n"...)
	return st.End()
}

// allOrNone returns the results of documents that should be written all or not at all.
func allOrNone(docs []document.Doc) []store.Result {
	results := make([]store.Result, len(docs))
	for i := range docs {
		results[i] = store.Result{ID: docs[i].ID, Rev: wire.GivenRev(&docs[i]), Err: errAllOrNone}
	}
	return results
}
