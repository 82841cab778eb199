package store

import (
	"context"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Times are kept to the second for a week, to the minute for a quarter of a year, and to the
// hour after that. So a database under constant writes does not gather an entry for each second
// of its life.
const (
	exactTimes  = 7 * 24 * time.Hour
	minuteTimes = 90 * 24 * time.Hour
)

// timeGrain is how precisely a time of a certain age is kept, in seconds.
func timeGrain(age time.Duration) uint64 {
	switch {
	case age < exactTimes:
		return 1
	case age < minuteTimes:
		return 60
	}
	return 3600
}

// thinTimes merges old entries of the time space, unless the database is read for a backup.
func (db *DB) thinTimes(ctx context.Context) error {
	const part = 2000
	from, next, more := uint64(0), uint64(0), true
	for more && db.captures.Load() == 0 {
		o := &op{upkeep: true, sparing: true, docs: 1, bytes: 32 * part}
		o.apply = func(w *writer) (err error) {
			next, more, err = w.thinTimes(from, part)
			return err
		}
		if err := db.commits.submit(ctx, o); err != nil {
			return err
		}
		from = next
	}
	return nil
}

// thinTimes does so for some entries, starting at a key, and returns where to continue.
func (w *writer) thinTimes(from uint64, part int) (next uint64, more bool, err error) {
	var entries []timeEntry
	err = w.tx.Scan(spaceTime, engine.Range{From: seqKey(from), Limit: part}, func(k, v []byte) (bool, error) {
		e, err := parseTimeEntry(k, v)
		entries = append(entries, e)
		return true, err
	})
	if err != nil || len(entries) < 2 {
		return from, false, err
	}
	now := w.db.store.opt.Clock()
	kept, changed := entries[0], false
	save := func() error {
		if !changed {
			return nil
		}
		changed = false
		return w.tx.Put(spaceTime, seqKey(kept.after), w.keep(kept.appendTo))
	}
	for _, e := range entries[1:] {
		grain := timeGrain(now.Sub(time.Unix(int64(e.end()), 0)))
		if grain == 1 || kept.second/grain != e.end()/grain {
			if err := save(); err != nil {
				return from, false, err
			}
			kept = e
			continue
		}
		kept.span, changed = e.end()-kept.second, true
		if err := w.tx.Delete(spaceTime, seqKey(e.after)); err != nil {
			return from, false, err
		}
	}
	return kept.after, len(entries) == part, save()
}
