package view

import (
	"bytes"
	"slices"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
)

// Query is a query of a view in CouchDB's terms. Keys are JSON; start and end are in reading
// order.
type Query struct {
	Start, End             []byte // nil: none
	StartID, EndID         string
	HasStartID, HasEndID   bool
	ExcludeEnd, Descending bool
	Keys                   [][]byte // if not nil: these keys, in their order, in place of Start and End
	Skip                   int
	Limit                  int // negative: none
	GroupLevel             int // of Reduced: see index.ReduceQuery
	// Partition confines the query to the rows of a partition. A view whose design document is
	// Partitioned needs one, and no other view takes one: see Index.CheckPartition.
	Partition string
}

// OrderError says that no row can lie between start and end.
type OrderError struct{ Descending bool }

func (e *OrderError) Error() string {
	other := "true"
	if e.Descending {
		other = "false"
	}
	return "No rows can match your key range, reverse your start_key and end_key or set descending=" + other
}

// ranges returns the ranges of rows that the query covers, in reading order. Each of Keys is a
// range of its own, with the query's ids and ExcludeEnd as its bounds.
func (q *Query) ranges(view int, order collate.Order) ([]index.Range, error) {
	ranges, err := q.allRanges(view, order)
	if q.Partition != "" {
		for i := range ranges {
			ranges[i] = ranges[i].In(q.Partition)
		}
	}
	return ranges, err
}

// allRanges is ranges over all partitions.
func (q *Query) allRanges(view int, order collate.Order) ([]index.Range, error) {
	if q.Keys == nil {
		rg, err := q.between(view, order, q.Start, q.End)
		if err != nil {
			return nil, err
		}
		return []index.Range{rg}, nil
	}
	out := make([]index.Range, len(q.Keys))
	for i, key := range q.Keys {
		rg, err := q.between(view, order, key, key)
		if err != nil {
			return nil, err
		}
		out[i] = rg
	}
	if q.Descending {
		slices.Reverse(out)
	}
	return out, nil
}

// between returns the range from one key to another.
func (q *Query) between(view int, order collate.Order, from, to []byte) (rg index.Range, err error) {
	start, err := bound(order, from, q.StartID)
	if err != nil {
		return rg, err
	}
	end, err := bound(order, to, q.EndID)
	if err != nil {
		return rg, err
	}
	if start.Key != nil && end.Key != nil {
		if c := bytes.Compare(start.Key, end.Key); q.Descending && c < 0 || !q.Descending && c > 0 {
			return rg, &OrderError{q.Descending}
		}
	}
	// An empty id, unlike none, is before the ids of all documents.
	start.Past = q.Descending && !(q.HasStartID && q.StartID == "")
	end.Past = q.Descending == q.ExcludeEnd && !(q.HasEndID && q.EndID == "")
	if q.Descending {
		start, end = end, start
	}
	return index.Range{View: view, Low: start, High: end}, nil
}

func bound(order collate.Order, json []byte, id string) (b index.Bound, err error) {
	if json == nil {
		return b, nil // an id without a key means nothing
	}
	b.ID = id
	b.Key, err = order.AppendKey(nil, json)
	return b, err
}
