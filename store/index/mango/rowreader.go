package mango

import (
	"bytes"
	"context"
	"slices"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
)

// rowReader reads ranges of rows, some at a time.
type rowReader struct {
	ix         *view.Index
	ranges     []index.Range // what is left, in the order of keys
	descending bool
	rows       []foundRow // of the last call of next
}

// foundRow is a row kept after the call that brought it.
type foundRow struct {
	id  string
	key []byte // JSON
}

func (r *rowReader) query(limit int) index.RowsQuery {
	q := index.RowsQuery{Ranges: r.ranges, Descending: r.descending, Limit: limit}
	if r.descending {
		q.Ranges = slices.Clone(r.ranges)
		slices.Reverse(q.Ranges)
	}
	return q
}

// each reads all remaining rows.
func (r *rowReader) each(ctx context.Context, fn func(*index.Row) error, flush func() error) error {
	return r.ix.Index.Rows(ctx, r.query(-1), index.RowsTo{Row: fn, Flush: flush})
}

// next reads n rows, or all that are left.
func (r *rowReader) next(ctx context.Context, n int) ([]foundRow, error) {
	r.rows = r.rows[:0]
	err := r.ix.Index.Rows(ctx, r.query(n), index.RowsTo{Row: func(row *index.Row) error {
		r.rows = append(r.rows, foundRow{string(row.ID), bytes.Clone(row.Key)})
		return nil
	}})
	if err != nil || len(r.rows) == 0 {
		return nil, err
	}
	last := r.rows[len(r.rows)-1]
	key, err := collate.AppendKey(nil, last.key)
	r.ranges = rest(r.ranges, r.descending, index.Bound{Key: key, ID: last.id, Past: !r.descending})
	return r.rows, err
}

// rest is the part of ranges after a place.
func rest(ranges []index.Range, descending bool, at index.Bound) []index.Range {
	var out []index.Range
	for _, rg := range ranges {
		switch {
		case bytes.Compare(at.Key, rg.Low.Key) < 0:
			if descending {
				return out
			}
		case bytes.Compare(at.Key, rg.High.Key) >= 0 && rg.High.ID == "": // else it is among the rows of a key
			if !descending {
				continue
			}
		case descending:
			rg.High = at
		default:
			rg.Low = at
		}
		out = append(out, rg)
	}
	return out
}
