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
	wake    chan struct{} // a process is gone that may have run it

	tried chan struct{} // closed when the first run has ended
	once  sync.Once

	mu     sync.Mutex // guards what follows; no I/O under it
	def    definition
	rev    revtree.Rev
	status status
	ways   map[string]way // the directions of the turn that goes on
	dirty  bool           // the status has changes that are not on disk
	runs   bool           // here, so the status is what this process says
	next   *found         // what another process has made of the definition, and this one has not taken on yet
	over   bool           // it has been removed
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended; nil before it has started
}

func newSynchronization(s *Synchronizer, id string, rev revtree.Rev, d definition, st status) *synchronization {
	x := &synchronization{s: s, id: id, db: d.DB, instance: d.Instance, created: d.Created, rev: rev, def: d, looking: make(chan struct{}, 1), wake: make(chan struct{}, 1), tried: make(chan struct{}), ways: map[string]way{}}
	x.status = x.about(st)
	return x
}

// start starts the goroutine, if there is something to do.
func (x *synchronization) start() {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.def.Paused:
		x.status.State, x.status.NextTry = paused, nil
	case x.s.opt.Members == nil && x.isDone(): // else another process may know better
		x.triedOnce()
		return
	}
	ctx, cancel := context.WithCancel(x.s.ctx)
	done := make(chan struct{})
	x.cancel, x.done = cancel, done
	x.s.wg.Go(func() {
		defer close(done)
		defer cancel()
		x.lead(ctx)
	})
}

// isDone tells whether it was to run once, and has. The lock is held.
func (x *synchronization) isDone() bool {
	return x.def.finishes() && (x.status.State == completed || x.status.State == failed)
}

// work does what there is to do: it runs the replications until they or ctx end.
func (x *synchronization) work(ctx context.Context) {
	x.mu.Lock()
	pauses, done := x.def.Paused, x.isDone()
	x.mu.Unlock()
	switch {
	case pauses:
		if db, err := x.open(ctx); err == nil {
			db.Release()
		} else if errors.Is(err, errGone) {
			x.remove(ctx)
		}
	case done:
		x.triedOnce()
	default:
		x.run(ctx)
	}
}

// about is a status that was read, as that of the definition that there is now. The lock is held.
func (x *synchronization) about(s status) status {
	d, rev := x.newest()
	changed := s.Rev != "" && s.Rev != rev.String()
	switch {
	case d.Paused:
		s.State, s.NextTry = paused, nil
	case changed, s.State == paused:
		s.State, s.NextTry = waiting, nil // one that was done runs again
	}
	return s
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
	if x.next != nil && x.next.rev.Gen <= rev.Gen {
		x.next = nil
	}
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
	st, dirty := x.status.clone(), x.dirty && x.runs && !x.over
	st.Rev = x.rev.String()
	x.dirty = false
	x.mu.Unlock()
	if !dirty {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := x.s.records.saveStatus(ctx, x.id, &st); err != nil && !errors.Is(err, errTakenOver) {
		x.note(func(*status) {}) // it still has what is not on disk
		x.s.opt.Log.Warn("cannot save the status of a synchronization", "db", x.db, "synchronization", x.id, "error", err)
	}
}
