package documents

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/httpapi/write"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/document"
)

// A _bulk_docs request that is long, or has many documents, is read twice. First all of it is
// checked, because an unreadable part fails the whole. Then it is written in parts, each as
// large as the store takes in one transaction anyway. Documents are independent of each other,
// so clients see no difference.
const (
	partDocs  = 1000
	partBytes = 4 << 20
)

// readBulk reads a request. If parts is not nil, it gives the documents, and bulk has none.
func readBulk(w http.ResponseWriter, r *http.Request, db *store.DB) (bulk document.Bulk, parts *bulkParts, err error) {
	set := wire.SettingsOf(r)
	opt := document.Options{MaxSize: set.MaxDocumentSize, MaxID: set.MaxIDLength, MaxDocs: 2 * partDocs, MostDocs: set.BulkDocs}
	meter := document.NewBulkMeter(opt)
	body, err := wire.TakeBody(w, r, set.MaxRequestSize, meter.Add)
	if err != nil {
		return bulk, nil, err
	}
	src := body.Bytes()
	if !body.Mapped() {
		if err := wire.Work(r, int64(len(src))); err != nil {
			return bulk, nil, err
		}
		if bulk, err = document.ParseBulk(src, opt); err != document.ErrManyDocs {
			return bulk, nil, err
		}
		_ = meter.Add(src)           // only to measure it: in a request this short no document is too large
		wire.ExchangeOf(r).EndWork() // never wait for one share while holding another
		bulk = document.Bulk{}
	}
	size := meter.Measure()
	if err := wire.WorkOn(r, min(size.Total, partBytes+size.Largest)); err != nil {
		return bulk, nil, err
	}
	if bulk, parts, err = scanBulk(r, db, src, opt); err != nil {
		return bulk, nil, err
	}
	if bulk.AllOrNothing || !bulk.Atomic && write.KeyOf(r) == nil && r.Header.Get("If-Match") == "" {
		return bulk, parts, nil
	}
	wire.ExchangeOf(r).EndWork() // it needs all of them at once
	if size.Total > store.MaxSingleBytes {
		return bulk, nil, store.ErrTransactionTooLarge
	}
	if err := wire.Work(r, size.Total); err != nil {
		return bulk, nil, err
	}
	opt.MaxDocs, opt.Expect = 0, int(size.Total)+1
	bulk, err = document.ParseBulk(src, opt)
	return bulk, nil, err
}

// bulkParts gives the documents of a request in parts.
type bulkParts struct {
	*document.BulkReader
	// knownParents is set if unknown parents are conflicts (store.WriteOptions). This is decided for
	// the whole request, before any of it is written.
	knownParents bool
}

// madeID is like the ids that the server makes: it names no partition.
const madeID = "0"

// scanBulk finds every fault for which the whole request is refused.
func scanBulk(r *http.Request, db *store.DB, src []byte, opt document.Options) (document.Bulk, *bulkParts, error) {
	noRevision, stubs, known := false, false, false
	bulk, docs, err := document.ScanBulk(src, opt, func(_ *document.Bulk, doc *document.Doc) error {
		id := doc.ID
		if !doc.HasID {
			id = madeID
		}
		if err := db.CheckNewID(id); err != nil {
			return err
		}
		noRevision = noRevision || !doc.HasRev && len(doc.Path) == 0
		if strings.HasPrefix(doc.ID, "_local/") {
			return nil
		}
		known = known || len(doc.Attachments) > 0 || strings.HasPrefix(doc.ID, "_design/")
		for i := range doc.Attachments {
			if err := attachments.CheckInline(&doc.Attachments[i], wire.SettingsOf(r).MaxAttachmentSize); err != nil {
				return err
			}
			stubs = stubs || doc.Attachments[i].Stub
		}
		return doc.CheckAttachments()
	})
	if err != nil {
		return bulk, nil, err
	}
	if bulk.Replicated && noRevision {
		return bulk, nil, errNoRevision
	}
	if stubs && !bulk.AllOrNothing {
		again := *docs
		err = checkStubs(r, db, &bulk, &again)
	}
	if err == nil && !known {
		known, err = db.ParentsMatter(r.Context())
	}
	return bulk, &bulkParts{docs, known}, err
}

// checkStubs refuses a request with a stub for an attachment that does not exist.
func checkStubs(r *http.Request, db *store.DB, bulk *document.Bulk, docs *document.BulkReader) error {
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
			if len(some[i].Attachments) == 0 || strings.HasPrefix(some[i].ID, "_local/") {
				continue
			}
			for k := range some[i].Attachments {
				if a := &some[i].Attachments[k]; a.Stub {
					edit.Attachments = append(edit.Attachments, attachments.Edit(a))
				}
			}
			if err := db.CheckStubs(r.Context(), &edit, store.WriteOptions{Replicated: bulk.Replicated}); err != nil {
				return err
			}
		}
	}
}

// bulkInParts writes documents part by part. The answer goes out when all are written, so a
// client that is slow to take it does not hold the memory for work. An error after the first
// part cuts the answer. What has been written by then stays.
func (d *Room) bulkInParts(w http.ResponseWriter, r *http.Request, db *store.DB, bulk *document.Bulk, parts *bulkParts) (err error) {
	var explain *store.DB
	if write.PrefersRepresentation(r) {
		explain = db
	}
	status := http.StatusCreated
	if bulk.AllOrNothing {
		status = http.StatusExpectationFailed
	}
	st := wire.NewStream(w, r, status)
	defer st.Drop()
	later := laterRows{spool: d.spool}
	defer func() { err = errors.Join(err, later.close()) }()
	st.Buf = append(st.Buf, '[')
	part := bulkPart{bulk: bulk, knownParents: parts.knownParents, rows: bulkRows{to: &st.Buf, explain: explain}}
	for written := false; ; written = true {
		docs, err := parts.Next(partDocs, partBytes)
		if err == io.EOF {
			break
		}
		if err == nil {
			part.docs = docs
			err = d.writePart(w, r, db, &part)
		}
		if err == nil {
			err = later.keep(&st.Buf)
		}
		if err != nil && written {
			return errors.Join(err, st.Flush()) // the answer has begun, so the error cuts it
		}
		if err != nil {
			return err
		}
	}
	st.Buf = append(st.Buf, "]\n"...)
	return later.end(st)
}

// bulkPart is a part of a request.
type bulkPart struct {
	bulk *document.Bulk // the request, without its documents
	docs []document.Doc

	knownParents bool
	rows         bulkRows // continue the rows of earlier parts
}

// writePart writes the documents of a part, and appends their rows.
func (d *Room) writePart(w http.ResponseWriter, r *http.Request, db *store.DB, p *bulkPart) error {
	part := document.Bulk{Docs: p.docs, Replicated: p.bulk.Replicated}
	if p.bulk.AllOrNothing {
		for _, res := range allOrNone(p.docs) {
			p.rows.next()
			*p.rows.to = appendFailed(*p.rows.to, &res, true)
		}
		return nil
	}
	if err := d.completeDocs(r, db, &part); err != nil {
		return err
	}
	results, err := writeBulk(w, r, db, &part, p.knownParents)
	for i := 0; err == nil && i < len(results); i++ {
		err = p.rows.written(r.Context(), &part, i, &results[i])
	}
	return err
}

// laterRows keeps, in a file, the rows of an answer that must not go out yet.
type laterRows struct {
	spool *intake.Spool
	file  *intake.File // nil: there are none
}

// keep takes the rows that have gathered, if they are many.
func (l *laterRows) keep(rows *[]byte) (err error) {
	if len(*rows) < 4*wire.StreamPiece {
		return nil
	}
	if l.file == nil {
		if l.file, err = l.spool.Create(); err != nil {
			return err
		}
	}
	_, err = l.file.Write(*rows)
	*rows = (*rows)[:0]
	return err
}

// end sends the kept rows, and the ones that have gathered since.
func (l *laterRows) end(st *wire.Stream) error {
	if l.file == nil {
		return st.End()
	}
	last := bytes.Clone(st.Buf)
	for at := int64(0); at < l.file.Size(); {
		st.Buf = slices.Grow(st.Buf[:0], wire.StreamPiece)[:min(wire.StreamPiece, l.file.Size()-at)]
		if _, err := l.file.ReadAt(st.Buf, at); err != nil {
			return err
		}
		at += int64(len(st.Buf))
		if err := st.Flush(); err != nil {
			return err
		}
	}
	st.Buf = append(st.Buf[:0], last...)
	return st.End()
}

func (l *laterRows) close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
