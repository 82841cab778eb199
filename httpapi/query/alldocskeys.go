package query

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// listKeys takes the requested ids, as far as the options want them.
func (d *docRange) listKeys(p *viewParams) error {
	d.byKey = true
	n := 0
	if err := jsonscan.EachElement(p.keys, func([]byte) error { n++; return nil }); err != nil {
		return wire.ErrNotJSON
	}
	d.keys = make([]docKey, 0, n) // there may be very many
	err := jsonscan.EachElement(p.keys, func(raw []byte) error {
		if d.space != store.LocalDocs {
			if err := d.db.CheckID(docKey(raw).id()); err != nil {
				return err
			}
		}
		if key := docKey(raw); d.space != store.DesignDocs || strings.HasPrefix(key.id(), "_design/") {
			d.keys = append(d.keys, key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.descending {
		slices.Reverse(d.keys)
	}
	d.keys = d.keys[min(p.skip, len(d.keys)):]
	if p.limit >= 0 {
		d.keys = d.keys[:min(p.limit, len(d.keys))]
	}
	return nil
}

// docKey is one of the ids asked for, as the JSON that came.
type docKey []byte

// id is the id that a key means. A key that is not a string matches no document.
func (k docKey) id() string {
	id, err := jsonscan.Text(k)
	if err != nil {
		return ""
	}
	return id
}

// keysPart is how many documents are read between two flushes.
const keysPart = 256

// writeKeys appends the answer to a list of ids: a row for each, known or not.
func (d *docRange) writeKeys(ctx context.Context, db *store.DB, st *wire.Stream) error {
	head := func(page store.Page) error {
		d.appendHead(st, db, page, -1)
		return nil
	}
	nothing := store.AllDocsQuery{Space: d.space}
	if err := db.AllDocs(ctx, nothing, head, nil, st.FlushFull); err != nil {
		return err
	}
	ids := make([]string, 0, min(keysPart, len(d.keys)))
	for from := 0; from < len(d.keys); from += keysPart {
		some := d.keys[from:min(from+keysPart, len(d.keys))]
		ids = ids[:0]
		for i := range some {
			ids = append(ids, some[i].id())
		}
		err := d.readKeys(ctx, db, ids, func(i int, row *store.Row) error {
			if from+i > 0 {
				st.Buf = append(st.Buf, ',')
			}
			st.Buf = append(st.Buf, "\r\n"...)
			if row == nil {
				st.Buf = append(append(st.Buf, `{"key":`...), some[i]...)
				st.Buf = append(st.Buf, `,"error":"not_found"}`...)
				return nil
			}
			d.appendRow(ctx, db, st, row)
			return nil
		}, st.FlushFull)
		if err != nil {
			return err
		}
	}
	st.Buf = append(st.Buf, "\r\n]}"...)
	return nil
}

// readKeys reads documents by id; row gets nil for one that is not there.
func (d *docRange) readKeys(ctx context.Context, db *store.DB, ids []string, row func(i int, r *store.Row) error, flush func() error) error {
	if d.space != store.LocalDocs {
		_, err := db.DocsByKeys(ctx, store.KeysQuery{Keys: ids, IncludeDocs: d.query.IncludeDocs, Conflicts: d.query.Conflicts}, row, flush)
		return err
	}
	for i, id := range ids {
		var found *store.Row
		if strings.HasPrefix(id, "_local/") {
			doc, err := db.GetLocal(ctx, id)
			if err == nil {
				found = &store.Row{ID: []byte(id), Rev: doc.Rev, Doc: doc}
			} else if !errors.Is(err, store.ErrMissing) {
				return err
			}
		}
		if err := row(i, found); err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
	}
	return nil
}
