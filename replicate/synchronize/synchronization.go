package synchronize

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tododb/tododb/revtree"
)

// synchronization is one synchronization and the goroutine that drives it.
type synchronization struct {
	s            *Synchronizer
	id           string
	db, instance string // the database
	created      time.Time

	changing sync.Mutex // held during a Change or Delete; taken before s.mu and mu
	saving   sync.Mutex // held while the status is written, so the newest is written last; taken before mu

	looking chan struct{} // one slot, taken while conflicts are looked for and noted

	tried chan struct{} // closed when the first run has ended
	once  sync.Once

	mu     sync.Mutex // guards what follows; no I/O under it
	def    definition
	rev    revtree.Rev
	status status
	dirty  bool // the status has changes that are not on disk
	over   bool // it has been removed
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended; nil before it has started
}

func newSynchronization(s *Synchronizer, id string, rev revtree.Rev, d definition, st status) *synchronization {
	return &synchronization{s: s, id: id, db: d.DB, instance: d.Instance, created: d.Created, rev: rev, def: d, status: st, looking: make(chan struct{}, 1), tried: make(chan struct{})}
}

// start starts the goroutine, if there is something to do.
func (x *synchronization) start() {
	x.mu.Lock()
	defer x.mu.Unlock()
	over := x.def.finishes() && (x.status.State == completed || x.status.State == failed)
	switch {
	case x.def.Paused:
		x.status.State, x.status.NextTry = paused, nil
	case over:
		x.triedOnce()
		return
	}
	ctx, cancel := context.WithCancel(x.s.ctx)
	done := make(chan struct{})
	x.cancel, x.done = cancel, done
	x.s.wg.Go(func() {
		defer close(done)
		defer cancel()
		if !x.definition().Paused {
			x.run(ctx)
		} else if db, err := x.open(ctx); err == nil {
			db.Release()
		} else if errors.Is(err, errGone) {
			x.remove(ctx)
		}
		x.save(context.WithoutCancel(ctx))
	})
}

// triedOnce notes that the synchronization has run, successfully or not.
func (x *synchronization) triedOnce() { x.once.Do(func() { close(x.tried) }) }

// end stops the goroutine and waits for it.
func (x *synchronization) end() {
	x.mu.Lock()
	cancel, done := x.cancel, x.done
	x.mu.Unlock()
	if done != nil {
		cancel()
		<-done
	}
}

// dismiss makes it one that there is no longer: nobody can change it, and its status is not saved.
func (x *synchronization) dismiss() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over, x.dirty = true, false
}

// become takes on another definition. The goroutine must have ended.
func (x *synchronization) become(rev revtree.Rev, d definition) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rev, x.def = rev, d
	if !d.Paused {
		x.status.State, x.status.NextTry = waiting, nil // one that was done runs again
	}
	x.dirty = true
}

func (x *synchronization) definition() definition {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.def
}

func (x *synchronization) revision() revtree.Rev {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rev
}

// at compares the revision with the one that a user knows.
func (x *synchronization) at(rev string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.over:
		return ErrNone
	case rev != "" && rev != x.rev.String():
		return ErrChanged
	}
	return nil
}

// sameRemote allows a change of credentials, but not of the remote itself. A remote without
// credentials, as Show shows it, keeps the old ones.
func (x *synchronization) sameRemote(d *definition) error {
	old := x.definition()
	was, err := old.remote()
	if err != nil {
		return err
	}
	now, err := d.remote()
	if err != nil {
		return err
	}
	if was.Name() != now.Name() {
		return badRequest("`remote` cannot be changed: create another synchronization")
	}
	if now.User == "" && len(now.Headers) == 0 {
		d.Remote = old.Remote
	}
	return nil
}

// note changes the status.
func (x *synchronization) note(change func(s *status)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(&x.status)
	x.dirty = true
}

// save writes the status to disk if it has changed.
func (x *synchronization) save(ctx context.Context) {
	x.saving.Lock()
	defer x.saving.Unlock()
	x.mu.Lock()
	st, dirty := x.status.clone(), x.dirty && !x.over
	x.dirty = false
	x.mu.Unlock()
	if !dirty {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := x.s.records.saveStatus(ctx, x.id, &st); err != nil {
		x.s.opt.Log.Warn("cannot save the status of a synchronization", "db", x.db, "synchronization", x.id, "error", err)
	}
}
