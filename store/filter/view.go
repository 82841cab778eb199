package filter

import (
	"context"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
)

// viewChanges finds changes in a view index that keeps entries by sequence. It finds documents
// with rows in the view, or in some ranges of its keys, and deletions of documents that had
// such rows.
type viewChanges struct {
	*view.Index
	db     *store.DB
	number int
	query  view.ChangesQuery
}

// openChanges opens the index of a view that keeps its entries by sequence.
func (o *Opener) openChanges(ctx context.Context, db *store.DB, d *design.Document, number int, q *Query) (*viewChanges, error) {
	v := &viewChanges{db: db, number: number, query: view.ChangesQuery{
		Start: q.Keys.Start, End: q.Keys.End, ExcludeEnd: q.Keys.ExcludeEnd, Descending: q.Descending,
	}}
	if q.Keys.List != nil {
		if jsonscan.Kind(q.Keys.List) != '[' {
			return nil, errKeysList
		}
		if q.Keys.Start != nil || q.Keys.End != nil {
			return nil, errKeysRange
		}
		v.query.Keys = [][]byte{}
		err := jsonscan.EachElement(q.Keys.List, func(key []byte) error {
			v.query.Keys = append(v.query.Keys, key)
			return nil
		})
		if err != nil {
			return nil, errNotJSON
		}
	}
	var err error
	if v.Index, err = o.Views.Open(ctx, db, d); err != nil {
		return nil, err
	}
	if err := v.CheckChanges(number, &v.query); err != nil {
		v.Release()
		return nil, err
	}
	return v, nil
}

// changesPart is how many changes are looked up at once. It is large because each lookup scans
// every key of a range, and a sequence is small.
const changesPart = 10_000

// changes reads those changes of the view that q asks for.
func (v *viewChanges) changes(ctx context.Context, q store.ChangesQuery, row func(*store.Change) error, flush, waiting func() error) (store.ChangesEnd, error) {
	if q.Limit == 0 {
		return store.ChangesEnd{Last: q.Since}, nil
	}
	if q.To == 0 {
		var err error
		if q.To, err = v.db.UpdateSeq(ctx); err != nil {
			return store.ChangesEnd{Last: q.Since}, err
		}
	}
	end := store.ChangesEnd{Last: q.To, Done: true}
	if err := v.WaitTelling(ctx, q.To, waiting); err != nil {
		return end, err
	}
	looked := v.query
	looked.Since, looked.To, looked.Limit = q.Since, q.To, changesPart
	if q.Limit > 0 {
		looked.Limit = min(q.Limit, changesPart)
	}
	if looked.Descending {
		looked.Since = 0
	}
	left := q.Limit
	count := func(c *store.Change) error {
		left--
		return row(c)
	}
	for {
		seqs, more, err := v.Changed(ctx, v.number, &looked)
		if err != nil || len(seqs) == 0 {
			return end, err
		}
		part := q
		part.Seqs = seqs
		if q.Limit > 0 {
			part.Limit = left
		}
		got, err := v.db.Changes(ctx, part, count, flush)
		end.Seen += got.Seen
		if got.LastRow != 0 {
			end.LastRow = got.LastRow
		}
		if err != nil {
			return end, err
		}
		if q.Limit > 0 && left <= 0 {
			end.Last, end.Done, end.Pending = got.Last, false, got.Pending
			return end, nil
		}
		if !more {
			return end, nil
		}
		if last := seqs[len(seqs)-1]; looked.Descending {
			looked.To = last - 1
		} else {
			looked.Since = last
		}
	}
}
