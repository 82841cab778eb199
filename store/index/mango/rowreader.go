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
	fresh      bool       // see settledTries
	rows       []foundRow // of the last call of next
	seq        uint64     // of the state that they were read of; 0: of none that the database had
	ended      bool       // there are no more
}

// foundRow is a row kept after the call that brought it.
type foundRow struct {
	id  string
	key []byte // JSON
}

// settledTries is how often a fresh reader waits until the index is as the database was, to read rows.
// Where it is on its way from one state to the next, a document that has moved twice has no row that
// tells of its state.
const settledTries = 4

var errBetween = errors.New("between two states")

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
	var over bool // the snapshot
	var err error
	for try := 0; ; try++ {
		over, err = false, r.ix.Index.Rows(ctx, q, index.RowsTo{
			Head: func(h index.Head) error {
				if r.seq = h.Seq; h.Between && r.fresh {
					if try < settledTries {
						return errBetween
					}
					r.seq = 0
				}
				return nil
			},
			Row: func(row *index.Row) error {
				if over {
					return errPage
				}
				r.rows = append(r.rows, foundRow{string(row.ID), bytes.Clone(row.Key)})
				return nil
			},
			Flush: func() error { over = len(r.rows) > 0; return nil },
		})
		if err != errBetween {
			break
		}
		if err := r.ix.Wait(ctx, r.seq); err != nil {
			return nil, err
		}
	}
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
