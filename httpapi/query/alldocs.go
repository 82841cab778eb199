package query

import (
	"context"
	"net/http"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// AllDocs answers GET and POST /db/_all_docs: a range of documents in the order of ids.
func (room *Room) AllDocs(w http.ResponseWriter, r *http.Request) error {
	return room.docRange(w, r, store.Docs)
}

// docRange answers with one range over one of the spaces of documents.
func (room *Room) docRange(w http.ResponseWriter, r *http.Request, space store.DocSpace) error {
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	p, err := readViewParams(w, r, nil)
	if err != nil {
		return err
	}
	plan, err := room.planDocRange(db, space, &p)
	if err != nil {
		return err
	}
	return writeResult(w, r, plan)
}

// docRange is a range of documents, ready to be read.
type docRange struct {
	db        *store.DB
	space     store.DocSpace
	query     store.AllDocsQuery
	keys      []docKey // with byKey
	byKey     bool
	updateSeq bool
	empty     bool // no id can lie in it

	attachments attachments.Wanted // with the documents
}

// planDocRange checks the options of a range over documents.
func (room *Room) planDocRange(db *store.DB, space store.DocSpace, p *viewParams) (*docRange, error) {
	switch {
	case p.reduce == yes:
		return nil, errMapReduce
	case p.grouped():
		return nil, errMapGroup
	case p.keys != nil && (p.startKey != nil || p.endKey != nil):
		return nil, errKeysRange
	case p.partition != "" && !db.Partitioned():
		return nil, errPartitionHere
	}
	if p.partition != "" {
		if err := p.capLimit(room.settings().partitionLimit); err != nil {
			return nil, err
		}
	}
	d := &docRange{db: db, space: space, updateSeq: p.updateSeq}
	d.attachments = attachments.Wanted{All: p.attachments, Encodings: p.attEncodingInfo}
	d.query = store.AllDocsQuery{
		Space: space, Descending: p.descending, ExcludeEnd: p.excludeEnd, Skip: p.skip, Limit: p.limit,
		Partition:   p.partition,
		IncludeDocs: p.includeDocs, Conflicts: p.conflicts, WantOffset: space != store.LocalDocs,
	}
	if p.keys != nil {
		return d, d.listKeys(p)
	}
	q := &d.query
	// A key that is not a string sorts before all ids, both as a start and as an end.
	if text, err := jsonscan.Text(p.startKey); err == nil {
		q.Start, q.HasStart = text, true
	} else if p.startKey == nil && p.hasStartDocID && p.partition == "" {
		q.Start, q.HasStart = p.startDocID, true
	} else if p.startKey != nil && p.descending {
		d.empty = true
	}
	if text, err := jsonscan.Text(p.endKey); err == nil {
		q.End, q.HasEnd = text, true
	} else if p.endKey == nil && p.hasEndDocID && p.partition == "" {
		q.End, q.HasEnd = p.endDocID, true
	} else if p.endKey != nil && !p.descending {
		d.empty = true
	}
	return d, nil
}

// write appends the whole answer to st.
func (d *docRange) write(ctx context.Context, st *wire.Stream) error {
	db := d.db
	if d.byKey {
		return d.writeKeys(ctx, db, st)
	}
	q := d.query
	switch {
	case d.empty && q.Partition == "":
		q = store.AllDocsQuery{Space: d.space}
	case d.empty: // its offset is where the partition begins
		q.Skip, q.Limit = 0, 0
	}
	first := true
	head := func(page store.Page) error {
		d.appendHead(st, db, page, min(page.Offset+page.Skipped, page.TotalRows))
		return nil
	}
	row := func(row *store.Row) error {
		if !first {
			st.Buf = append(st.Buf, ',')
		}
		first = false
		st.Buf = append(st.Buf, "\r\n"...)
		d.appendRow(ctx, db, st, row)
		return nil
	}
	err := db.AllDocs(ctx, q, head, row, st.FlushFull)
	st.Buf = append(st.Buf, "\r\n]}"...)
	return err
}

// appendHead appends what comes before the rows. A negative offset means none.
func (d *docRange) appendHead(st *wire.Stream, db *store.DB, page store.Page, offset int) {
	b := append(st.Buf, `{"total_rows":`...)
	if d.space == store.LocalDocs {
		b = append(b, `null,"offset":null`...)
	} else {
		b = wire.AppendInt(b, page.TotalRows)
		b = append(b, `,"offset":`...)
		if offset < 0 {
			b = append(b, "null"...)
		} else {
			b = wire.AppendInt(b, offset)
		}
	}
	if d.updateSeq {
		b = append(b, `,"update_seq":`...)
		if d.byKey || d.space == store.LocalDocs {
			b = append(b, "null"...)
		} else {
			b = wire.AppendSeq(b, db, page.UpdateSeq)
		}
	}
	st.Buf = append(b, `,"rows":[`...)
}

// appendRow appends a row.
func (d *docRange) appendRow(ctx context.Context, db *store.DB, st *wire.Stream, row *store.Row) {
	b := append(st.Buf, `{"id":`...)
	from := len(b)
	b = jsonscan.AppendString(b, row.ID)
	to := len(b)
	b = append(b, `,"key":`...)
	b = append(b, b[from:to]...)
	b = wire.AppendRev(append(b, `,"value":{"rev":`...), row.Rev)
	if row.Deleted {
		b = append(b, `,"deleted":true`...)
	}
	st.Buf = append(b, '}')
	if d.query.IncludeDocs {
		st.Buf = append(st.Buf, `,"doc":`...)
		if row.Doc == nil {
			st.Buf = append(st.Buf, "null"...)
		} else {
			attachments.AppendRow(ctx, st, db, row.Doc, d.attachments)
		}
	}
	st.Buf = append(st.Buf, '}')
}
