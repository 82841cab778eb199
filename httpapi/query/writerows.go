package query

import (
	"context"
	"errors"

	"github.com/tododb/tododb/httpapi/attachments"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
)

// viewRows writes the rows of a view. If they come with documents, it gathers the rows of a
// snapshot of the index, and reads their documents when the snapshot is closed.
type viewRows struct {
	ctx   context.Context
	st    *wire.Stream
	plan  *viewRange
	begun bool

	waiting []waitingRow
	bytes   []byte // the rows that wait
}

// waitingRow is a row whose document is still to be read.
type waitingRow struct {
	from, to int // in viewRows.bytes: the row as JSON, without its document and its end
	id       string
	rev      revtree.Rev // zero: the winner
	none     bool        // the row names a document that cannot exist
}

func (v *viewRows) head(h view.Head) error {
	if err := v.plan.tag(h); err != nil {
		return err
	}
	b := append(v.st.Buf, `{"total_rows":`...)
	b = wire.AppendInt(b, h.Total)
	b = append(b, `,"offset":`...)
	b = wire.AppendInt(b, h.Offset)
	if v.plan.updateSeq {
		b = wire.AppendSeq(append(b, `,"update_seq":`...), v.plan.db, h.Seq)
	}
	v.st.Buf = append(b, `,"rows":[`...)
	return nil
}

// row takes in one row. Its bytes are valid during the call.
func (v *viewRows) row(row *index.Row) error {
	if !v.plan.includeDocs {
		v.st.Buf = v.appendRow(v.st.Buf, row)
		v.st.Buf = append(v.st.Buf, '}')
		return nil
	}
	w := waitingRow{from: len(v.bytes), id: string(row.ID)}
	v.bytes = v.appendRow(v.bytes, row)
	w.to = len(v.bytes)
	if jsonscan.Kind(row.Value) == '{' {
		if err := w.follow(row.Value); err != nil {
			return err
		}
		w.none = w.none || v.plan.db.CheckID(w.id) != nil
	}
	v.waiting = append(v.waiting, w)
	return nil
}

func (v *viewRows) appendRow(b []byte, row *index.Row) []byte {
	if v.begun {
		b = append(b, ',')
	}
	v.begun = true
	b = append(b, "\r\n{\"id\":"...)
	b = jsonscan.AppendString(b, row.ID)
	b = append(append(b, `,"key":`...), row.Key...)
	return append(append(b, `,"value":`...), row.Value...)
}

// follow reads which document a value refers to: _id names another one, _rev a revision.
func (w *waitingRow) follow(value []byte) error {
	return jsonscan.EachMember(value, func(name, member []byte) error {
		switch string(name) {
		case "_id":
			id, err := jsonscan.Text(member)
			w.id, w.none = id, err != nil
		case "_rev":
			if text, err := jsonscan.Text(member); err == nil {
				w.rev, err = revtree.Parse(text)
				w.none = w.none || err != nil
			}
		}
		return nil
	})
}

// flush writes the rows that wait, and sends what has gathered.
func (v *viewRows) flush() error {
	for from := 0; from < len(v.waiting); {
		to := from
		for to < len(v.waiting) && v.waiting[to].rev.IsZero() && !v.waiting[to].none && to-from < keysPart {
			to++
		}
		if err := v.withWinners(v.waiting[from:to]); err != nil {
			return err
		}
		if to < len(v.waiting) && to-from < keysPart {
			if err := v.withRevision(&v.waiting[to]); err != nil {
				return err
			}
			to++
		}
		from = to
		if err := v.st.FlushFull(); err != nil {
			return err
		}
	}
	v.waiting, v.bytes = v.waiting[:0], v.bytes[:0]
	return v.st.FlushFull()
}

// withWinners writes rows with the winning revisions of their documents.
func (v *viewRows) withWinners(rows []waitingRow) error {
	if len(rows) == 0 {
		return nil
	}
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	_, err := v.plan.db.DocsByKeys(v.ctx, store.KeysQuery{Keys: ids, IncludeDocs: true, Conflicts: v.plan.conflicts}, func(i int, row *store.Row) error {
		var doc *store.Document
		if row != nil {
			doc = row.Doc
		}
		v.write(&rows[i], doc)
		return nil
	}, v.st.FlushFull)
	return err
}

// withRevision writes a row with the revision that it names.
func (v *viewRows) withRevision(w *waitingRow) error {
	if w.none {
		v.write(w, nil)
		return nil
	}
	doc, err := v.plan.db.Get(v.ctx, w.id, store.ReadOptions{Rev: w.rev, Conflicts: v.plan.conflicts})
	switch {
	case errors.Is(err, store.ErrMissing):
		doc = nil
	case err != nil:
		return err
	case doc.Deleted:
		doc = nil
	}
	v.write(w, doc)
	return nil
}

func (v *viewRows) write(w *waitingRow, doc *store.Document) {
	v.st.Buf = append(v.st.Buf, v.bytes[w.from:w.to]...)
	v.st.Buf = append(v.st.Buf, `,"doc":`...)
	if doc == nil {
		v.st.Buf = append(v.st.Buf, "null"...)
	} else {
		attachments.AppendRow(v.ctx, v.st, v.plan.db, doc, v.plan.attachments)
	}
	v.st.Buf = append(v.st.Buf, '}')
}
