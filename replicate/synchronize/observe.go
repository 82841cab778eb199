package synchronize

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

// observation records what one replication does.
type observation struct {
	x         *synchronization
	direction string
	db        store.Bare
	finishes  bool       // the synchronization runs once
	over      chan error // gets one value when the replication is over
	left      bool       // the turn is over; guarded by the synchronization's mu
}

// notify is called for every change of the replication's state.
func (o *observation) notify(_ context.Context, s replicate.Status) {
	switch s.State {
	case replicate.Pending: // it has made room for others
		o.goes(way{state: waiting})
	case replicate.Running:
		o.goes(way{state: running})
	case replicate.Completed:
		o.done()
		o.end(nil)
	case replicate.Failed:
		o.end(&givenUp{*o.trouble(errors.New(s.LastError))})
	case replicate.Crashing:
		trouble := o.trouble(errors.New(s.LastError))
		next := shownTime(s.NextTry)
		o.goes(way{state: retrying, next: &next})
		o.x.triedOnce()
		if o.finishes && s.Errors >= oneTimeTries {
			o.end(&givenUp{*trouble})
		}
	}
}

func (o *observation) end(err error) {
	select {
	case o.over <- err:
	default: // it is over already
	}
}

func (o *observation) progress(change func(s *status, p *progress)) {
	o.x.note(func(s *status) {
		p := s.Progress[o.direction]
		change(s, &p)
		s.Progress[o.direction] = p
	})
}

func (o *observation) read(end replicate.ChangesEnd) {
	o.progress(func(_ *status, p *progress) {
		p.SourceSeq, p.Pending = end.LastSeq, nil
		if end.Pending >= 0 {
			p.Pending = &end.Pending
		}
	})
}

func (o *observation) recorded() {
	now := o.x.s.now()
	o.progress(func(_ *status, p *progress) { p.CheckpointedAt = &now })
}

// wrote counts what has arrived.
func (o *observation) wrote(ctx context.Context, ids []string, refused int) error {
	if err := o.meet(ctx, ids); err != nil {
		return err
	}
	o.progress(func(_ *status, p *progress) {
		p.DocsWritten += int64(len(ids))
		p.WriteFailures += int64(refused)
	})
	return nil
}

// meet looks for conflicts among documents that have arrived here. It runs before the
// checkpoint that covers them, and again for all documents that are checked again after a
// crash. What it finds is on disk when it returns. If it fails it has to be done again: nobody would look
// at these documents later. Conflicts on the other side become known when they come back.
func (o *observation) meet(ctx context.Context, ids []string) error {
	if o.direction != pull || len(ids) == 0 {
		return nil
	}
	news := false
	err := o.x.look(ctx, o.db, ids, func(s *status, found map[string]bool) { news = s.meet(found) })
	if err != nil {
		return fmt.Errorf("look for conflicts: %w", err)
	}
	if news {
		o.x.save(ctx)
	}
	return nil
}

// look finds out which of some documents are in conflict and notes it. There is one look at a
// time, so what an older look has seen is never noted over what a later one has.
func (x *synchronization) look(ctx context.Context, db store.Bare, ids []string, note func(*status, map[string]bool)) error {
	select {
	case x.looking <- struct{}{}:
		defer func() { <-x.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	found, err := conflicts(ctx, db, ids)
	if err == nil {
		x.note(func(s *status) { note(s, found) })
	}
	return err
}

// conflicts tells which of some documents are in conflict.
func conflicts(ctx context.Context, db store.Bare, ids []string) (map[string]bool, error) {
	found := make(map[string]bool, len(ids))
	opt := store.ReadOptions{Conflicts: true, Deleted: true, NoBody: true}
	err := db.GetMany(ctx, ids, opt, func(i int, d *store.Document, err error) error {
		if err != nil && !errors.Is(err, store.ErrMissing) {
			return err
		}
		found[ids[i]] = err == nil && len(d.Conflicts) > 0
		return nil
	}, nil)
	return found, err
}

// calls watches the calls to one side. A failed call is retried a few times before the
// replication crashes.
func (o *observation) calls() func(error) {
	var failing atomic.Bool
	return func(err error) {
		was := failing.Swap(err != nil)
		switch {
		case err != nil:
			o.trouble(err)
			o.changes(running, retrying)
		case was:
			o.changes(retrying, running)
		}
	}
}

// trouble notes an error.
func (o *observation) trouble(err error) *failure {
	f := &failure{Direction: o.direction, Reason: err.Error(), At: o.x.s.now()}
	o.x.mu.Lock()
	defer o.x.mu.Unlock()
	if !o.left {
		o.x.status.LastError, o.x.dirty = f, true
	}
	return f
}
