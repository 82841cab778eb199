package view

import (
	"context"

	"github.com/tododb/tododb/store/index"
)

// Head comes before the rows of an answer.
type Head struct {
	Total, Offset int
	Seq           uint64 // that the index has reached
	Changed       uint64 // when the view's rows last changed: with the signature, an ETag
}

// RowsTo takes rows as they are read.
type RowsTo struct {
	Head  func(Head) error       // is called once, before the first row
	Row   func(*index.Row) error // inside a snapshot, so that it must do no I/O
	Flush func() error           // between snapshots (nothing is to be done then)
}

// GroupsTo takes groups as they are reduced. Its functions are called as those of RowsTo.
type GroupsTo struct {
	Head  func(Head) error
	Group func(*index.Group) error
	Flush func() error
}

// Rows reads rows of a view.
func (ix *Index) Rows(ctx context.Context, view int, q *Query, to RowsTo) error {
	ranges, err := q.ranges(view, ix.Definition().Views[view].Order)
	if err != nil {
		return err
	}
	rq := index.RowsQuery{Ranges: ranges, Descending: q.Descending, Skip: q.Skip, Limit: q.Limit, WantOffset: true}
	if q.Keys != nil {
		if err := ix.skipKeys(ctx, &rq); err != nil {
			return err
		}
	}
	if len(rq.Ranges) == 0 { // there is still a head, with the place of the last key
		rq.Ranges, rq.Limit = []index.Range{{View: view}}, 0
		if len(ranges) > 0 {
			rq.Ranges = ranges[len(ranges)-1:]
		}
	}
	skip := rq.Skip
	if q.Partition != "" && skip > 0 { // the offset does not go beyond the partition
		n, err := ix.Count(ctx, rq.Ranges[:1])
		if err != nil {
			return err
		}
		skip = min(skip, n)
	}
	return ix.Index.Rows(ctx, rq, index.RowsTo{Row: to.Row, Flush: to.Flush, Head: func(h index.Head) error {
		return to.Head(Head{Total: int(h.Total), Offset: min(h.Offset+skip, int(h.Total)), Seq: h.Seq, Changed: h.Changed})
	}})
}

// skipKeys drops the keys whose rows are all skipped, and keys without rows: the offset is the
// first row's.
func (ix *Index) skipKeys(ctx context.Context, q *index.RowsQuery) error {
	for len(q.Ranges) > 0 {
		n, err := ix.Count(ctx, q.Ranges[:1])
		if err != nil || n > q.Skip {
			return err
		}
		q.Skip -= n
		q.Ranges = q.Ranges[1:]
	}
	return nil
}

// Reduced reduces rows of a view. Without a reduce function the error is ErrReduce.
func (ix *Index) Reduced(ctx context.Context, view int, q *Query, to GroupsTo) error {
	if ix.Design.Views[view].Reduce == "" {
		return ErrReduce
	}
	ranges, err := q.ranges(view, ix.Definition().Views[view].Order)
	if err != nil {
		return err
	}
	rq := index.ReduceQuery{Ranges: ranges, Descending: q.Descending, GroupLevel: q.GroupLevel, Skip: q.Skip, Limit: q.Limit}
	return ix.Reduce(ctx, view, rq, index.GroupsTo{Group: to.Group, Flush: to.Flush, Head: func(h index.Head) error {
		return to.Head(Head{Total: int(h.Total), Seq: h.Seq, Changed: h.Changed})
	}})
}

// ChangesQuery says which changes to find with the rows of a view.
type ChangesQuery struct {
	Start, End []byte // JSON; nil: none. In the order of keys
	ExcludeEnd bool
	Keys       [][]byte // if not nil: these keys

	Since, To  uint64
	Descending bool // the newest first
	Limit      int
}

// changesRanges returns the ranges of rows that the query covers; nil for all rows.
func (ix *Index) changesRanges(view int, q *ChangesQuery) ([]index.Range, error) {
	if q.Keys == nil && q.Start == nil && q.End == nil {
		return nil, nil
	}
	if err := ix.CheckPartition(""); err != nil { // keys mean nothing without one
		return nil, err
	}
	rows := Query{Start: q.Start, End: q.End, ExcludeEnd: q.ExcludeEnd, Keys: q.Keys}
	return rows.ranges(view, ix.Definition().Views[view].Order)
}

// CheckChanges checks a query. The error is an *OrderError, or ErrPartitionNeeded: keys cannot be
// asked for in a partitioned view.
func (ix *Index) CheckChanges(view int, q *ChangesQuery) error {
	_, err := ix.changesRanges(view, q)
	return err
}

// Changed finds the sequences of the changes that a query asks for: see index.Changes.
func (ix *Index) Changed(ctx context.Context, view int, q *ChangesQuery) (seqs []uint64, more bool, err error) {
	ranges, err := ix.changesRanges(view, q)
	if err != nil {
		return nil, false, err
	}
	return ix.Changes(ctx, index.ChangesQuery{View: view, Ranges: ranges, Since: q.Since, To: q.To, Descending: q.Descending, Limit: q.Limit})
}
