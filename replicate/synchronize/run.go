package synchronize

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

const (
	// oneTimeTries is how often a one-time synchronization is tried before we give up.
	oneTimeTries = 10
	// callTries is how often a replication retries a failed call before it crashes and takes
	// a pause whose end can be shown.
	callTries = 2
	// saveEvery is how old the status on disk may get during a run, and shareEvery where other
	// processes show it.
	saveEvery  = 30 * time.Second
	shareEvery = time.Second
)

// errGone says that the database has been deleted.
var errGone = errors.New("the database has been deleted")

// givenUp says that a one-time synchronization has failed too often, or that one can never run.
type givenUp struct{ failure }

func (e *givenUp) Error() string { return e.Reason }

// run drives the synchronization until it or ctx ends.
func (x *synchronization) run(ctx context.Context) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = x.s.opt.FirstPause, x.s.opt.MaxPause
	for {
		err := x.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		var pause time.Duration
		over, given := errors.AsType[*givenUp](err)
		switch {
		case errors.Is(err, errGone):
			x.remove(ctx)
			return
		case given:
			// The other direction may have had trouble since, because it was ended.
			x.note(func(s *status) { s.State, s.NextTry, s.LastError = failed, nil, &over.failure })
			x.triedOnce()
			return
		case err != nil:
			pause = pauses.NextBackOff()
			x.failed(err, pause)
		default:
			pauses.Reset()
			if pause = x.succeeded(); pause == 0 {
				return
			}
		}
		x.save(ctx)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// succeeded notes the end of a run, and returns how long to wait for the next; 0: it is done.
func (x *synchronization) succeeded() (pause time.Duration) {
	defer x.triedOnce()
	now := x.s.now()
	x.note(func(s *status) {
		s.Runs++
		s.Finished, s.NextTry, s.State = &now, nil, completed
		if x.def.Schedule != nil {
			pause = x.def.Schedule.pause()
			next := now.Add(pause)
			s.NextTry, s.State = &next, waiting
		}
	})
	return pause
}

// failed notes that a run could not begin.
func (x *synchronization) failed(err error, pause time.Duration) {
	defer x.triedOnce()
	now := x.s.now()
	next := now.Add(pause)
	x.note(func(s *status) {
		s.State, s.NextTry = retrying, &next
		s.LastError = &failure{Reason: err.Error(), At: now}
	})
	x.s.opt.Log.Warn("a synchronization failed; trying again", "db", x.db, "synchronization", x.id, "error", err, "wait", pause)
}

// remove ends a synchronization whose database has been deleted.
func (x *synchronization) remove(ctx context.Context) {
	x.s.forget(x)
	err := x.s.records.remove(ctx, x.id, x.revision())
	if err == nil || errors.Is(err, store.ErrConflict) { // another process has removed or changed it
		err = x.s.records.removeStatus(ctx, x.id)
	}
	if err != nil {
		x.s.opt.Log.Warn("cannot remove the synchronization of a deleted database", "db", x.db, "synchronization", x.id, "error", err)
	}
}

// turn runs the replications once: to their end or, if they are continuous, until ctx ends.
func (x *synchronization) turn(ctx context.Context) error {
	d := x.definition()
	db, err := x.open(ctx)
	if err != nil {
		return err
	}
	defer db.Release()
	now := x.s.now()
	x.note(func(s *status) { s.Started = &now })
	x.setOut(d.directions())

	g, ctx := errgroup.WithContext(ctx)
	over := make(chan struct{})
	g.Go(func() error { return x.watch(ctx, db, over) })
	g.Go(func() error {
		defer close(over)
		both, ctx := errgroup.WithContext(ctx)
		for _, direction := range d.directions() {
			if d.Continuous {
				both.Go(func() error { return x.replicate(ctx, &d, db, direction) })
			} else if err := x.replicate(ctx, &d, db, direction); err != nil {
				return err
			}
		}
		return both.Wait()
	})
	return g.Wait()
}

// open opens the database. The error is errGone if it has been deleted.
func (x *synchronization) open(ctx context.Context) (store.Bare, error) {
	db, err := x.s.opt.Store.Bare(ctx, x.db, store.ForSynchronizations)
	switch {
	case errors.Is(err, store.ErrNoDB):
		return db, errGone
	case err == nil && !db.Was(x.instance):
		db.Release()
		return db, errGone
	}
	return db, err
}

// errReplaced says that the database is another one now, restored from a backup, which the next turn
// opens; or that the server stops.
var errReplaced = errors.New("the database has been replaced by an earlier state of it, or the server stops")

// whyGone tells why an open database is gone: it has been deleted or replaced, or the store is
// closing.
func (x *synchronization) whyGone(ctx context.Context) error {
	db, err := x.open(ctx)
	if err == nil {
		db.Release()
		err = errReplaced
	}
	return err
}

// watch ends the turn if the database is deleted. It also saves the status from time to time
// until the turn is over.
func (x *synchronization) watch(ctx context.Context, db store.Bare, over <-chan struct{}) error {
	every := saveEvery
	if x.s.opt.Members != nil {
		every = shareEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return nil
		case <-db.Gone():
			return x.whyGone(ctx)
		case <-tick.C:
			x.save(ctx)
		}
	}
}

// replicate lets the replicator run one of the replications and waits for its end. If ctx
// ends, it stops the replication.
func (x *synchronization) replicate(ctx context.Context, d *definition, db store.Bare, direction string) error {
	spec, err := d.spec(direction)
	if err != nil {
		return err
	}
	spec.Retries = callTries
	for _, side := range []*replicate.Endpoint{&spec.Source, &spec.Target} {
		if side.Local == x.db {
			side.Instance = x.instance
		}
	}
	o := &observation{x: x, direction: direction, db: db, finishes: d.finishes(), over: make(chan error, 1)}
	defer o.leave()
	id, err := x.s.opt.Replicator.Add(replicate.Request{
		Spec: spec, User: d.Owner, Owner: replicate.Owner{DB: x.db, Doc: "_synchronizations/" + x.id},
		Source: replicate.Observer{Read: o.read, Called: o.calls()},
		Target: replicate.Observer{Asked: o.meet, Wrote: o.wrote, Recorded: o.recorded, Called: o.calls()},
		Notify: o.notify,
	})
	if err != nil {
		return err
	}
	select {
	case err = <-o.over:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if removed := x.s.opt.Replicator.Remove(context.WithoutCancel(ctx), id); removed != nil && !errors.Is(removed, replicate.ErrNoJob) {
		err = errors.Join(err, removed)
	}
	return err
}
