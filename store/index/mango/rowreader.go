package mango

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
)

// rowReader reads ranges of rows, some at a time.
type rowReader struct {
	ix         *view.Index
	partition  string        // "": of all
	ranges     []index.Range // what is left of them, in the order of keys
	descending bool
	rows       []foundRow // of the last call of next
	seq        uint64     // of the state that they were read of
	ended      bool       // there are no more
}

// foundRow is a row kept after the call that brought it.
type foundRow struct {
	id  string
	key []byte // JSON
}

// errPage ends a read with the snapshot that it has read of.
var errPage = errors.New("page")

// next returns n rows, or fewer if one snapshot does not give more, or if no more are left; then
// ended is set. seq is set to the state that they were read of.
func (r *rowReader) next(ctx context.Context, n int) ([]foundRow, error) {
	r.rows = r.rows[:0]
	q := index.RowsQuery{Ranges: in(r.partition, r.ranges), Descending: r.descending, Limit: n}
	if r.descending {
		q.Ranges = slices.Clone(q.Ranges)
		slices.Reverse(q.Ranges)
	}
	over := false // the snapshot
	err := r.ix.Index.Rows(ctx, q, index.RowsTo{
		Head: func(h index.Head) error { r.seq = h.Seq; return nil },
		Row: func(row *index.Row) error {
			if over {
				return errPage
			}
			r.rows = append(r.rows, foundRow{string(row.ID), bytes.Clone(row.Key)})
			return nil
		},
		Flush: func() error { over = len(r.rows) > 0; return nil },
	})
	r.ended = err == nil && len(r.rows) < n
	if err == errPage {
		err = nil
	}
	if err != nil || len(r.rows) == 0 {
		return nil, err
	}
	last := r.rows[len(r.rows)-1]
	key, err := collate.AppendKey(nil, last.key)
	r.ranges = rest(r.ranges, r.descending, index.Bound{Key: key, ID: last.id, Past: !r.descending})
	return r.rows, err
}

// in confines ranges to a partition.
func in(partition string, ranges []index.Range) []index.Range {
	if partition == "" {
		return ranges
	}
	out := make([]index.Range, len(ranges))
	for i := range ranges {
		out[i] = ranges[i].In(partition)
	}
	return out
}

// state says how far the reading is.
func (r *rowReader) state() (seq uint64, ended bool) { return r.seq, r.ended }

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
