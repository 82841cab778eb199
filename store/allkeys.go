package store

import (
	"context"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// KeysQuery asks for documents by their ids.
type KeysQuery struct {
	Keys        []string
	IncludeDocs bool
	Conflicts   bool // with IncludeDocs: fill Document.Conflicts
}

// DocsByKeys reads documents by id, in the order of the keys, each as often as it is asked for.
// It calls row inside a snapshot, with nil for an unknown id and with Row.Deleted for a deleted
// document. It calls flush after each page, outside snapshots, as AllDocs does: the rows
// gathered may be as large as all documents of a page.
func (db *DB) DocsByKeys(ctx context.Context, q KeysQuery, row func(i int, r *Row) error, flush func() error) (Page, error) {
	var p Page
	if err := db.checkIDs(q.Keys); err != nil {
		return p, err
	}
	if db.Hides() {
		row, q.IncludeDocs = db.seeKeys(row, q.IncludeDocs), true
	}
	const part = 256
	page := newRowPage()
	defer page.done()
	raw := make([][]byte, 0, min(part, len(q.Keys)))
	at := make([]int, 0, min(part, len(q.Keys))) // for each key its row in the page, or -1
	for from, first := 0, true; first || from < len(q.Keys); first = false {
		some := q.Keys[from:min(from+part, len(q.Keys))]
		err := db.view(ctx, func(r engine.Reader) error {
			if first {
				last, err := newest(r)
				if err != nil {
					return err
				}
				p = Page{TotalRows: int(last.totals.docs), UpdateSeq: last.seq}
			}
			page.reset(&AllDocsQuery{IncludeDocs: q.IncludeDocs, Conflicts: q.Conflicts})
			raw, at = raw[:0], at[:0]
			for _, k := range some {
				raw, at = append(raw, []byte(k)), append(at, -1)
			}
			err := r.GetMulti(spaceDoc, raw, func(i int, v []byte) (err error) {
				if v == nil {
					if v, err = db.dead(r, some[i]); v == nil || err != nil {
						return err
					}
				}
				rec, err := parseDocRecord(v)
				if err != nil {
					return fmt.Errorf("document %q: %w", raw[i], err)
				}
				at[i] = len(page.rows)
				if err = page.addRecord(raw[i], &rec); err == nil && page.size >= snapshotBytes {
					at = at[:i+1] // the others are the next page's
					err = errEnough
				}
				return err
			})
			if err == errEnough {
				err = nil
			}
			if err == nil {
				err = page.fill(r)
			}
			for i := 0; i < len(at) && err == nil; i++ {
				if at[i] < 0 {
					err = row(from+i, nil)
				} else {
					err = row(from+i, &page.rows[at[i]])
				}
			}
			return err
		})
		from += len(at)
		page.forget()
		if err == nil {
			err = flush()
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}
