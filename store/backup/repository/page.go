package repository

import (
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
// next page begins with, "" if there is none.
func (r *Repository) Page(ctx context.Context, b *Backup, name string, q Range) (docs []Listed, next string, err error) {
	err = r.eachListed(ctx, b, name, q.Start, func(d Listed) (bool, error) {
		if q.End != "" && d.ID > q.End {
			return false, nil
		}
		if len(docs) == q.Limit {
			next = d.ID
			return false, nil
		}
		docs = append(docs, d)
		return true, nil
	})
	if err != nil {
		return nil, "", err
	}
	return docs, next, nil
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
