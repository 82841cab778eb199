package synchronize

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
)

// Where processes share the databases, any of them may make, change and delete a synchronization, and one
// of them runs it.

const (
	askChanged = "synchronization" // the kind of question (members.Members): have you taken on a change?

	// lookEvery is the time between two looks for what other processes have written.
	lookEvery = time.Second
	// askAgain is how long to wait until it is tried again to take over what another process runs. If
	// that process is gone, nobody waits.
	askAgain = 20 * time.Second
	// awayPause is how long to wait if this process cannot take a lease at all.
	awayPause = 2 * time.Second
	// answerWithin is how long a process lets another one wait for that. It is then told stillEnding, and asks again.
	answerWithin = 5 * time.Second
	stillEnding  = "it is ending"
	// endWithin is how long a change waits until another process has ended what it stops.
	endWithin = 20 * time.Second
)

func leaseOf(id string) string { return "synchronization/" + id }

// lead has the synchronization run here whenever no other process runs it, until ctx ends or there is
// nothing left to do.
func (x *synchronization) lead(ctx context.Context) {
	for ctx.Err() == nil {
		pause := awayPause
		x.s.opt.Members.Turn(ctx, leaseOf(x.id))
		lease, err := x.s.opt.Members.Take(ctx, leaseOf(x.id))
		if err == nil {
			if x.leading(lease) {
				return
			}
		} else if _, held := errors.AsType[*members.Held](err); held {
			pause = askAgain - rand.N(askAgain/4)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-x.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// leading runs the synchronization under a lease. It returns false if that ended too early.
func (x *synchronization) leading(lease *members.Lease) (over bool) {
	ctx := lease.Context()
	defer func() {
		x.mu.Lock()
		x.runs = false
		x.mu.Unlock()
		if err := lease.Release(ctx); err != nil && !errors.Is(err, store.ErrClosed) {
			x.s.opt.Log.Warn("cannot give back a synchronization; another process takes it over once this one has ended", "db", x.db, "synchronization", x.id, "error", err)
		}
	}()
	if err := x.claim(ctx, lease.Token()); err != nil {
		if errors.Is(err, ErrNone) {
			return true
		}
		if ctx.Err() == nil && !errors.Is(err, ErrChanged) {
			x.s.opt.Log.Warn("cannot read the status of a synchronization", "db", x.db, "synchronization", x.id, "error", err)
		}
		return false
	}
	x.work(ctx)
	x.save(context.WithoutCancel(ctx))
	return !errors.Is(context.Cause(ctx), members.ErrLost)
}

// claim makes this process the one that says how the synchronization is doing, from what the last one
// has said. The error is ErrNone or ErrChanged if the definition is gone or not the one that this process
// knows, which it will soon hear.
func (x *synchronization) claim(ctx context.Context, token uint64) error {
	var st status
	if x.s.opt.Members != nil {
		rev, err := x.s.records.revision(ctx, x.id)
		if err == nil && rev != x.revision() {
			err = ErrChanged
		}
		if err == nil {
			st, err = x.s.records.claimStatus(ctx, x.id, token)
		}
		if err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.s.opt.Members != nil {
		x.status, x.dirty = x.about(st), true
	}
	x.runs = true
	return nil
}

// refresh reads how the synchronization is doing, if another process may run it.
func (x *synchronization) refresh(ctx context.Context) error {
	x.mu.Lock()
	here := x.runs
	x.mu.Unlock()
	if here || x.s.opt.Members == nil {
		return nil
	}
	st, err := x.s.records.status(ctx, x.id)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.runs {
		x.status = x.about(st)
	}
	return nil
}

// shown is what is shown of the synchronization: its definition as any process has made it, and how it
// is doing. What still ends here, because the definition has changed elsewhere, is not what was asked for.
func (x *synchronization) shown() (definition, revtree.Rev, status) {
	x.mu.Lock()
	defer x.mu.Unlock()
	d, rev := x.newest()
	st := x.status.clone()
	if rev != x.rev {
		st.Rev = x.rev.String()
		st = x.about(st)
	}
	return d, rev, st
}

// newest is the definition as any process has made it. The lock is held.
func (x *synchronization) newest() (definition, revtree.Rev) {
	if x.next != nil && x.next.rev.Gen > x.rev.Gen {
		return x.next.d, x.next.rev
	}
	return x.def, x.rev
}

// waitElsewhere is Wait where another process may run it.
func (x *synchronization) waitElsewhere(ctx context.Context) error {
	tick := time.NewTicker(lookEvery / 4)
	defer tick.Stop()
	for {
		select {
		case <-x.tried:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := x.refresh(ctx); err != nil {
			return err
		}
		x.mu.Lock()
		s := &x.status
		over := x.over || s.Runs > 0 || s.State == completed || s.State == failed || s.State == retrying && s.NextTry != nil
		x.mu.Unlock()
		if over {
			return nil
		}
	}
}

// meet answers what the other processes ask, and hears when one is gone.
func (s *Synchronizer) meet() {
	s.opt.Members.Answer(askChanged, s.answer)
	s.opt.Members.OnGone(func(string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, x := range s.all {
			x.wakeUp()
		}
	})
}

// follow reads what other processes write, until the Synchronizer is closed.
func (s *Synchronizer) follow() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		err := s.catchUp(s.ctx)
		if err != nil && s.ctx.Err() == nil && !failing {
			s.opt.Log.Warn("cannot read the synchronizations of other processes; trying again", "error", err)
		}
		failing = err != nil
	}
}

// catchUp takes in what other processes have made of the synchronizations.
func (s *Synchronizer) catchUp(ctx context.Context) error {
	if s.opt.Members == nil {
		return nil
	}
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	putBack := false
	err := s.records.with(ctx, func(db store.Bare) error {
		common, err := db.Common(ctx, s.read)
		if err != nil {
			return err
		}
		if putBack = common != s.read.N; putBack { // it is another database, or was restored
			return nil
		}
		list, last, err := since(ctx, db, common)
		if err != nil {
			return err
		}
		for _, f := range list {
			s.hear(f)
		}
		s.read = db.Seq(last)
		return nil
	})
	if err == nil && putBack {
		if err = s.reload(ctx); err == nil {
			s.read = store.Seq{} // what is the same is left alone
		}
	}
	return err
}

// hear takes in what a definition is now.
func (s *Synchronizer) hear(f found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[f.id]
	if s.closed {
		return
	}
	switch {
	case x == nil && f.deleted:
	case x == nil:
		x = newSynchronization(s, f.id, f.rev, f.d, newStatus(waiting))
		s.all[f.id] = x
		if s.started {
			x.start()
		}
	case f.deleted:
		delete(s.all, f.id)
		x.dismiss()
		s.wg.Go(x.end)
	default:
		x.mu.Lock()
		news := f.rev.Gen > x.rev.Gen
		if news {
			x.next = &f
		}
		x.mu.Unlock()
		if news {
			s.wg.Go(func() {
				x.changing.Lock()
				defer x.changing.Unlock()
				x.takeOn()
			})
		}
	}
}

// takeOn has the synchronization go on as another process has defined it. changing is held.
func (x *synchronization) takeOn() {
	x.mu.Lock()
	next := x.next
	news := next != nil && next.rev.Gen > x.rev.Gen && !x.over
	x.mu.Unlock()
	if !news {
		return
	}
	x.end() // which may take long; next is what is shown meanwhile
	x.become(next.rev, next.d)
	_ = x.s.restart(x) // unless the Synchronizer is being closed
}

// answer answers another process that has changed or deleted a synchronization, once what runs here has
// ended.
func (s *Synchronizer) answer(ctx context.Context, body []byte) ([]byte, error) {
	var id string
	if err := json.Unmarshal(body, &id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	x := s.all[id]
	s.mu.Unlock()
	if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	if x == nil {
		return []byte(`true`), nil
	}
	s.mu.Lock()
	closed := s.closed
	done := make(chan struct{})
	if !closed {
		s.wg.Go(func() {
			defer close(done)
			x.changing.Lock()
			defer x.changing.Unlock()
			x.takeOn()
			x.mu.Lock()
			over := x.over
			x.mu.Unlock()
			if over {
				x.end()
			}
		})
	}
	s.mu.Unlock()
	if closed {
		return nil, replicate.ErrClosed
	}
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	select {
	case <-done:
		return []byte(`true`), nil
	case <-timer.C: // a remote does not answer, and others ask questions too
		return nil, errors.New(stillEnding)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// tell has the process that runs a synchronization take on its new definition. If that cannot be asked,
// it finds out by itself.
func (s *Synchronizer) tell(ctx context.Context, x *synchronization) {
	if s.opt.Members == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	by, err := s.opt.Members.Holder(ctx, leaseOf(x.id))
	if err == nil && by != "" && by != s.opt.Members.ID() {
		err = s.askHolder(ctx, by, x)
	}
	if err != nil {
		s.opt.Log.Warn("cannot ask the process that runs a synchronization to change it at once", "db", x.db, "synchronization", x.id, "error", err)
	}
}

// free waits until no process runs a synchronization that has been deleted.
func (s *Synchronizer) free(ctx context.Context, x *synchronization) {
	if s.opt.Members == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	asked := ""
	for {
		by, err := s.opt.Members.Holder(ctx, leaseOf(x.id))
		if err == nil && by != "" && by != asked && by != s.opt.Members.ID() {
			asked = by
			err = s.askHolder(ctx, by, x)
		}
		if err != nil {
			s.opt.Log.Warn("another process may still run a synchronization that has been deleted; it ends soon", "db", x.db, "synchronization", x.id, "error", err)
			return
		}
		if by == "" {
			return
		}
		select {
		case <-time.After(lookEvery / 10):
		case <-ctx.Done():
		}
	}
}

// askHolder returns when the process that runs a synchronization has taken on what it is now, or is gone.
func (s *Synchronizer) askHolder(ctx context.Context, member string, x *synchronization) error {
	for {
		_, err := s.opt.Members.Ask(ctx, member, askChanged, replicate.Marshal(x.id))
		if errors.Is(err, store.ErrMissing) {
			return nil
		}
		if refused, is := errors.AsType[*members.Refused](err); !is || refused.Reason != stillEnding || ctx.Err() != nil {
			return err
		}
	}
}

// overtaken does something again from the start if another process was faster.
func (s *Synchronizer) overtaken(do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if !errors.Is(err, store.ErrConflict) || s.opt.Members == nil || try == 10 {
			return err
		}
	}
}

// wakeUp has the synchronization look again whether it can run here.
func (x *synchronization) wakeUp() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}
