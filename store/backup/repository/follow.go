package repository

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tododb/tododb/store/backup"
)

// Watch tells which databases have changed.
type Watch interface {
	// Next waits until databases have changed since the last call, as long as limit says at most,
	// and names them.
	Next(ctx context.Context, limit time.Duration) ([]string, error)
}

// ErrUnshipped says that following has ended before all changes were shipped.
var ErrUnshipped = errors.New("not all that has changed was shipped in time; the next run goes on from there")

// Following says how Follow works.
type Following struct {
	Making
	Watch Watch
	// Every is the time between two backups that are kept. Each backup in between takes the place of
	// the one before it.
	Every time.Duration
	// Ending is how long Follow goes on when its context has ended, to ship what has changed until then. 0: it
	// cuts what it does, and the next run goes on from there.
	Ending time.Duration
	// Made is called after each backup. Err says that it was not made, or lacks databases; Follow
	// goes on then.
	Made func(b *Backup, err error)
	// Idle is called between backups; nil: nothing is to be done then. It may take its time.
	Idle func(context.Context)
	// Tidy is called between backups, once an hour and whenever as much was stored as all that the newest
	// one needs: most of it is of no use any more. It should call Prune. nil: nobody does.
	Tidy func(context.Context)
}

// upkeep says when to tidy up. Each backup brings all that has changed since the last one that stays, and
// takes the place of the one before it.
type upkeep struct {
	last   time.Time
	stored int64 // since then
	size   int64 // of the newest backup, with all that it needs
}

// tidyStored is how much is stored at least before that is a reason.
const tidyStored = 256 << 20

func (u *upkeep) made(b *Backup) {
	u.stored += b.Stored
	u.size = b.Bytes()
}

func (u *upkeep) due(now time.Time) bool {
	return now.Sub(u.last) >= time.Hour || u.stored > max(tidyStored, u.size)
}

const (
	gather  = time.Second      // for changes that come together
	lookAll = 30 * time.Second // for what is no change of a document: local documents, properties
	inspect = time.Hour        // whether all parts of earlier backups are there
)

// Follow makes backups whenever databases change, within seconds, until the context ends. Each brings what
// has changed since the one before it. The error is that of the first backup: without one there is nothing
// to follow.
func (r *Repository) Follow(ctx context.Context, src backup.Source, f Following) error {
	b, err := r.Make(ctx, src, f.Making)
	if b == nil {
		return err
	}
	f.Made(b, err)
	shipping, end := outlast(ctx, f.Ending)
	defer end()
	s := newShipments(b)
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = lookAll
	tidied := upkeep{last: time.Now()}
	for looked, inspected := time.Now(), time.Now(); ; {
		if f.Idle != nil {
			f.Idle(ctx)
		}
		if now := time.Now(); f.Tidy != nil && tidied.due(now) && ctx.Err() == nil {
			tidied = upkeep{last: now}
			f.Tidy(ctx)
		}
		names, err := f.Watch.Next(ctx, lookAll)
		if err == nil && pause(ctx, gather) == nil && len(names) == 0 && time.Since(looked) < lookAll {
			continue
		}
		ended := ctx.Err() != nil
		if ended && f.Ending == 0 {
			return nil
		}
		m := f.Making
		s.next(&m, names, f.Every)
		if err != nil || time.Since(looked) >= lookAll { // also if the context has ended
			m.Changed = nil
			looked = time.Now()
		}
		if m.inspected = time.Since(inspected) < inspect; !m.inspected {
			inspected = time.Now()
		}
		b, err := r.Make(shipping, src, m)
		if shipping.Err() != nil {
			if f.Ending > 0 {
				f.Made(nil, ErrUnshipped)
			}
			return nil
		}
		if err != nil {
			looked = time.Time{} // look at all again
		}
		if b != nil && b.ID != s.last.ID {
			tidied.made(b)
			s.made(b, &m, f.Every)
			f.Made(b, err)
		} else if err != nil {
			f.Made(nil, err)
			var busy *BusyError
			if !errors.As(err, &busy) {
				_ = pause(ctx, wait.NextBackOff())
			}
			if ended {
				return nil
			}
			continue
		}
		if ended {
			return nil
		}
		wait.Reset()
	}
}

// outlast returns a context that ends some time after another one.
func outlast(ctx context.Context, long time.Duration) (longer context.Context, end func()) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if long > 0 {
			_ = pause(longer, long)
		}
		cancel(context.Cause(ctx))
	})
	return longer, func() { stop(); cancel(nil) }
}
