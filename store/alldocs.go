package store

import (
	"bytes"
	"context"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/engine"
)

// DocSpace says which documents a range covers.
type DocSpace int

const (
	Docs       DocSpace = iota // all but the local ones
	DesignDocs                 // documents whose ids begin with _design/
	LocalDocs                  // documents whose ids begin with _local/
)

// AllDocsQuery is a range of documents by id, in byte order.
type AllDocsQuery struct {
	Space            DocSpace
	Start, End       string // in reading order: with Descending, Start is the greater
	HasStart, HasEnd bool
	ExcludeEnd       bool
	ExcludeStart     bool
	Descending       bool
	// Partition, if not "", confines the range to the documents of a partition: Start and End are
	// cut at its edges.
	Partition   string
	Skip        int
	Limit       int  // negative: none
	IncludeDocs bool // fill Row.Doc
	Conflicts   bool // with IncludeDocs: fill Document.Conflicts
	WantOffset  bool // fill Page.Offset, which counts all rows before the first
	// PageRows is the most documents to look at in one snapshot, for a row function that takes
	// its time; 0: as many as suit the storage.
	PageRows int
}

// Row is a document of a range. It is valid only during the call that brings it.
type Row struct {
	ID      []byte
	Rev     revtree.Rev
	Deleted bool      // only when documents are asked for by key
	Doc     *Document // with IncludeDocs; nil for a deleted one
}

// Page holds the members that surround the rows.
type Page struct {
	TotalRows int // living documents of the space
	Offset    int // rows before the first one of the range
	// Skipped is how many rows of the range are before the first one returned. It may be more than
	// there are in the range, but not with AllDocsQuery.Partition.
	Skipped   int
	UpdateSeq uint64 // of the snapshot that Page was read from
}

// bounds returns the range of keys, [from, to), in either reading direction.
func (q *AllDocsQuery) bounds() (from, to []byte) {
	low, high := q.Start, q.End
	hasLow, hasHigh := q.HasStart, q.HasEnd
	lowOpen, highOpen := q.ExcludeStart, q.ExcludeEnd
	if q.Descending {
		low, high, hasLow, hasHigh = high, low, hasHigh, hasLow
		lowOpen, highOpen = q.ExcludeEnd, q.ExcludeStart
	}
	if hasLow {
		from = []byte(low)
		if lowOpen {
			from = append(from, 0)
		}
	}
	if hasHigh {
		to = []byte(high)
		if !highOpen {
			to = append(to, 0)
		}
	}
	if q.Partition != "" {
		first, end := document.PartitionBounds(q.Partition)
		from, to = within(from, to, []byte(first), []byte(end))
	}
	if q.Space == DesignDocs {
		from, to = within(from, to, []byte("_design/"), []byte("_design0"))
	}
	return from, to
}

// within cuts a range at the edges of another.
func within(from, to, first, end []byte) ([]byte, []byte) {
	if bytes.Compare(from, first) < 0 {
		from = first
	}
	if to == nil || bytes.Compare(to, end) > 0 {
		to = end
	}
	return from, to
}

// AllDocs reads a range. It calls head once, before the first row. It calls row inside a
// snapshot, so row must do no I/O. It calls flush between snapshots: there the caller writes
// out the rows gathered so far. A document written during the read appears in its old or its
// new state.
func (db *DB) AllDocs(ctx context.Context, q AllDocsQuery, head func(Page) error, row func(*Row) error, flush func() error) error {
	if db.Hides() && q.Limit != 0 {
		return db.seeDocs(ctx, q, head, row, flush)
	}
	return db.allDocs(ctx, q, head, row, flush)
}

func (db *DB) allDocs(ctx context.Context, q AllDocsQuery, head func(Page) error, row func(*Row) error, flush func() error) error {
	from, to := q.bounds()
	space := spaceDoc
	if q.Space == LocalDocs {
		space = spaceLocal
	}
	if q.countsBefore(db) {
		at := from
		if q.Descending {
			at = to
		}
		if at != nil {
			if err := db.ids.Ready(ctx, counted{db}, string(at)); err != nil {
				return err
			}
		}
	}
	pageRows := snapshotRows
	if q.PageRows > 0 {
		pageRows = min(pageRows, q.PageRows)
	}
	started := false
	skip, left := q.Skip, q.Limit
	page := newRowPage()
	defer page.done()
	for more := true; more; {
		err := db.view(ctx, func(r engine.Reader) error {
			limit := pageRows
			if db.shared && left >= 0 { // every row comes from afar
				limit = min(limit, skip+left+rowsBetween)
			}
			if !started {
				if left != 0 && !q.Descending {
					engine.FetchPage(inner(r), space, engine.Range{From: from, To: to, Limit: limit})
				}
				p, err := db.pageOf(r, &q, from, to)
				if err != nil {
					return err
				}
				if err := head(p); err != nil {
					return err
				}
				started = true
				if to == nil && space == spaceDoc {
					to = []byte{totalsFrom} // behind the documents
				}
			}
			page.reset(&q)
			more = false
			var last []byte
			scanned := 0
			if left != 0 && (to == nil || bytes.Compare(from, to) < 0) {
				rg := engine.Range{From: from, To: to, Reverse: q.Descending, Limit: limit}
				err := r.Scan(space, rg, func(k, v []byte) (bool, error) {
					last = k
					scanned++
					took, err := page.add(k, v)
					if err != nil {
						return false, err
					}
					if took && skip > 0 {
						skip--
						page.drop()
					} else if took && left > 0 {
						left--
					}
					if left == 0 {
						return false, nil
					}
					more = scanned >= limit || page.size >= snapshotBytes
					return !more, nil
				})
				if err != nil {
					return err
				}
			}
			if more && q.Descending {
				to = append([]byte(nil), last...)
			} else if more {
				from = append(append([]byte(nil), last...), 0)
			}
			return page.emit(r, row)
		})
		if err != nil {
			return err
		}
		page.forget()
		if !more {
			break
		}
		if err := flush(); err != nil {
			return err
		}
	}
	return nil
}

// rowsBetween is how many tombstones are expected at most between a few documents.
const rowsBetween = 16

// pageOf reads the figures of a Page.
func (db *DB) pageOf(r engine.Reader, q *AllDocsQuery, from, to []byte) (Page, error) {
	last, err := newest(r)
	if err != nil {
		return Page{}, err
	}
	p := Page{UpdateSeq: last.seq, TotalRows: int(last.totals.docs)}
	whole := AllDocsQuery{Space: q.Space}
	first, end := whole.bounds()
	if q.Space != Docs {
		if p.TotalRows, err = countRows(r, q.Space, first, end); err != nil {
			return Page{}, err
		}
	}
	switch {
	case !q.WantOffset:
	case q.countsBefore(db):
		p.Offset, err = db.rowsOutside(r, q, from, to, p.TotalRows)
	case q.Descending && to != nil:
		p.Offset, err = countRows(r, q.Space, to, end)
	case !q.Descending && from != nil:
		p.Offset, err = countRows(r, q.Space, first, from)
	}
	if p.Skipped = q.Skip; err == nil && q.Partition != "" {
		p.Skipped, err = countUpTo(r, from, to, q.Skip)
	}
	return p, err
}

// countsBefore reports whether the offset comes from the ranks.
func (q *AllDocsQuery) countsBefore(db *DB) bool {
	return q.WantOffset && q.Space == Docs && !db.store.eng.Caps().Shared // ranks miss what other processes write
}

// rowsOutside counts the rows before the first one of a range, in the order of reading.
func (db *DB) rowsOutside(r engine.Reader, q *AllDocsQuery, from, to []byte, total int) (int, error) {
	switch {
	case q.Descending && to != nil:
		n, err := db.ids.Before(r, counted{db}, string(to))
		return max(total-n, 0), err
	case !q.Descending && from != nil:
		return db.ids.Before(r, counted{db}, string(from))
	}
	return 0, nil
}

// countUpTo counts living documents between two keys, as far as limit.
func countUpTo(r engine.Reader, from, to []byte, limit int) (n int, err error) {
	if limit == 0 || bytes.Compare(from, to) >= 0 {
		return 0, nil
	}
	err = r.Scan(spaceDoc, engine.Range{From: from, To: to}, func(_, v []byte) (bool, error) {
		if livingRecord(v) {
			n++
		}
		return n < limit, nil
	})
	return n, err
}

// livingRecord reports whether a doc record's winner lives, without taking the record apart.
func livingRecord(v []byte) bool { return len(v) > 1 && v[1]&docDeleted == 0 }

// countRows counts living documents between two keys.
func countRows(r engine.Reader, space DocSpace, from, to []byte) (n int, err error) {
	if space == LocalDocs {
		err = r.Scan(spaceLocal, engine.Range{From: from, To: to, KeysOnly: true}, func(k, v []byte) (bool, error) {
			n++
			return true, nil
		})
		return n, err
	}
	err = r.Scan(spaceDoc, engine.Range{From: from, To: to}, func(k, v []byte) (bool, error) {
		if livingRecord(v) {
			n++
		}
		return true, nil
	})
	return n, err
}
