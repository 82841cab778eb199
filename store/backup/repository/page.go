package repository

import (
	"container/heap"
	"context"
	"errors"
	"slices"
)

// Range is a part of the documents of a database, by their ids in byte order.
type Range struct {
	Start, End string // the first and the last that may be there; End "": no bound
	Limit      int    // how many at most
}

// Page lists documents of a database in a backup, in the order of their ids. next is the id that the
// next page begins with, "" if there is none. A backup has documents in the order of their changes, so
// each page reads all of the database, but keeps only what it lists.
func (r *Repository) Page(ctx context.Context, b *Backup, name string, q Range) (docs []Listed, next string, err error) {
	least := &lastFirst{}
	err = r.EachDocument(ctx, b, name, func(d Listed) error {
		if d.ID < q.Start || q.End != "" && d.ID > q.End {
			return nil
		}
		if least.Len() > q.Limit {
			if d.ID > (*least)[0].ID {
				return nil
			}
			heap.Pop(least)
		}
		for i := range d.Leaves {
			d.Leaves[i].Data = nil // of the item, which the next one overwrites
		}
		heap.Push(least, d)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	docs = *least
	slices.SortFunc(docs, func(a, b Listed) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	if len(docs) > q.Limit {
		next, docs = docs[q.Limit].ID, docs[:q.Limit]
	}
	return docs, next, nil
}

// lastFirst is a heap of documents: the one with the greatest id is at its top.
type lastFirst []Listed

func (h lastFirst) Len() int           { return len(h) }
func (h lastFirst) Less(i, j int) bool { return h[i].ID > h[j].ID }
func (h lastFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lastFirst) Push(x any)        { *h = append(*h, x.(Listed)) }
func (h *lastFirst) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	*h = (*h)[:last]
	return d
}

// Latest reads backups, the newest first: limit of them after the first skip ones. Without a key, or
// with a wrong one, only their outlines are read. total is how many backups there are. Damaged ones are
// left out; the error, a *DamagedError, says so in the end.
func (r *Repository) Latest(ctx context.Context, skip, limit int, fn func(*Backup) error) (total int, err error) {
	all, _, err := r.listBackups(ctx)
	if err != nil {
		return 0, err
	}
	slices.Reverse(all)
	var damaged error
	for _, l := range all[min(skip, len(all)):min(skip+limit, len(all))] {
		b, err := r.readBackup(ctx, l)
		if errors.Is(err, ErrNoKey) || errors.Is(err, ErrWrongKey) {
			b, err = r.readOutline(ctx, l)
		}
		if errors.Is(err, ErrNoBackup) { // it has just been forgotten
			continue
		}
		if _, is := errors.AsType[*DamagedError](err); is {
			damaged = errors.Join(damaged, err)
			continue
		}
		if err == nil {
			err = fn(b)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(all), damaged
}

// IsOf tells whether a backup is one of the server with this uuid.
func (r *Repository) IsOf(b *Backup, server string) bool { return b.Server == r.hash(server) }
