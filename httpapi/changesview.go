package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
)

// viewChanges finds changes by the entries by sequence of a view's index: of the documents
// that have rows in the view, or in some ranges of its keys, and of the deletions of those
// that have had them.
type viewChanges struct {
	*openView
	query view.ChangesQuery
}

// changesByView makes the filter of a feed that asks for the changes of a view whose index
// keeps its entries by sequence; nil if it does not keep them.
func (s *Server) changesByView(r *http.Request, db *store.DB, q *changesQuery, body []byte) (*viewChanges, error) {
	ddoc, name, ok := strings.Cut(q.view, "/")
	if !ok || strings.Contains(name, "/") || s.opt.Indexes == nil {
		return nil, nil
	}
	design, err := s.design(r.Context(), db, ddoc)
	if err != nil || !design.Changes {
		return nil, err
	}
	number, err := design.View(name)
	if err != nil {
		return nil, nil // the filter that needs no index knows what to say
	}
	keys := q.keys
	if list := memberOf(body, "keys"); list != nil {
		if err := keys.setKey("keys", list); err != nil {
			return nil, err
		}
	}
	v := &viewChanges{query: view.ChangesQuery{Start: keys.startKey, End: keys.endKey, ExcludeEnd: keys.excludeEnd, Descending: q.descending}}
	if keys.keys != nil {
		if keys.startKey != nil || keys.endKey != nil {
			return nil, errKeysRange
		}
		v.query.Keys = [][]byte{}
		err := jsonscan.EachElement(keys.keys, func(key []byte) error {
			v.query.Keys = append(v.query.Keys, key)
			return nil
		})
		if err != nil {
			return nil, errNotJSON
		}
	}
	ix, err := s.openIndex(r.Context(), db, design)
	if err != nil {
		return nil, err
	}
	v.openView = &openView{ix, db, number}
	if err := v.CheckChanges(number, &v.query); err != nil {
		ix.Release()
		return nil, err
	}
	return v, nil
}

// viewChangesPart is how many changes are looked up at once: many, since each time every
// key of a range is looked at, and a sequence is small.
const viewChangesPart = 10_000

// viewChanges reads what the view has of the changes that sq asks for.
func (f *changesFeed) viewChanges(ctx context.Context, sq store.ChangesQuery) (store.ChangesEnd, error) {
	v := f.filter.view
	if sq.Limit == 0 {
		return store.ChangesEnd{Last: sq.Since}, nil
	}
	end := store.ChangesEnd{Last: sq.To, Done: true}
	if err := f.waitFor(ctx, v, sq.To); err != nil {
		return end, err
	}
	q := v.query
	q.Since, q.To, q.Limit = sq.Since, sq.To, viewChangesPart
	if sq.Limit > 0 {
		q.Limit = min(sq.Limit, viewChangesPart)
	}
	if q.Descending {
		q.Since = 0
	}
	for {
		seqs, more, err := v.Changed(ctx, v.number, &q)
		if err != nil || len(seqs) == 0 {
			return end, err
		}
		part := sq
		part.Seqs = seqs
		got, err := f.db.Changes(ctx, part, f.row, f.working)
		end.Seen += got.Seen
		if got.LastRow != 0 {
			end.LastRow = got.LastRow
		}
		if err != nil {
			return end, err
		}
		if sq.Limit > 0 {
			if sq.Limit = f.q.limit - f.count; sq.Limit <= 0 {
				end.Last, end.Done, end.Pending = got.Last, false, got.Pending
				return end, nil
			}
		}
		if !more {
			return end, nil
		}
		if last := seqs[len(seqs)-1]; q.Descending {
			q.To = last - 1
		} else {
			q.Since = last
		}
	}
}

// waitFor waits until the view's index has come to a sequence; the client gets its
// heartbeats meanwhile.
func (f *changesFeed) waitFor(ctx context.Context, v *viewChanges, seq uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- v.Wait(ctx, seq) }()
	return f.whileWorking(done)
}
