package replicate

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tododb/tododb/store/fair"
)

// enqueue lets a task wait for its next try or for its turn.
func (m *Manager) enqueue(t *task, now time.Time) {
	t.place.Leave()
	if t.nextTry.After(now) {
		t.place = m.sleeping.Wait(fair.Key{}, t)
	} else {
		m.ready(t)
	}
	m.wake()
}

// ready puts a task into its line.
func (m *Manager) ready(t *task) { t.place = m.line.Wait(t.key(), t) }

// wake makes the scheduler look for work.
func (m *Manager) wake() {
	select {
	case m.look <- struct{}{}:
	default:
	}
}

// schedule runs until ctx ends.
func (m *Manager) schedule(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-m.look:
		case <-ctx.Done():
			return
		}
		timer.Reset(m.step())
	}
}

// step starts and stops what is due, and returns the time until the next step.
func (m *Manager) step() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.opt.Now()
	for t, ok := m.sleeping.First(); ok && !t.nextTry.After(now); t, ok = m.sleeping.First() {
		t.place.Leave()
		m.ready(t)
	}
	m.fill(now)
	if over := m.line.Taken() - m.set.MaxJobs; over > 0 {
		m.makeRoom(over, true, now)
	}
	due := m.rotated.Add(m.set.Interval)
	if !now.Before(due) {
		m.rotated, due = now, now.Add(m.set.Interval)
		if waiting := m.line.Len(); waiting > 0 && m.line.Taken() >= m.set.MaxJobs {
			m.makeRoom(min(waiting, m.set.MaxChurn), false, now)
		}
	}
	if t, ok := m.sleeping.First(); ok && t.nextTry.Before(due) {
		due = t.nextTry
	}
	return max(due.Sub(now), time.Millisecond)
}

// fill starts waiting jobs while there is room.
func (m *Manager) fill(now time.Time) {
	for {
		t, ok := m.line.Next()
		if !ok {
			return
		}
		m.launch(t, now)
	}
}

// stop tells a running job to stop.
func (t *task) stop() {
	t.stopped = true
	t.cancel()
}

// launch starts a job that has its slot. The lock is held.
func (m *Manager) launch(t *task, now time.Time) {
	var ctx context.Context
	ctx, t.cancel = context.WithCancel(m.ctx)
	if t.req.origin != nil {
		ctx = t.req.origin(ctx)
	}
	t.stopped, t.claims, t.ended = false, true, make(chan struct{})
	t.started, t.nextTry = now, time.Time{}
	t.job = m.newJob(&t.req)
	if m.opt.Members == nil {
		m.begin(t, now)
	} // else it shows as running once it has its lease, for another process may have that
	job := t.job
	m.wg.Go(func() {
		result, err := m.runAllowed(ctx, t, job)
		job.close()
		m.end(t, result, err)
	})
}

// begin shows a job that was launched as running. The lock is held.
func (m *Manager) begin(t *task, now time.Time) {
	if !t.claims {
		return
	}
	t.claims = false
	if t.stopped || t.removed {
		return
	}
	t.away = time.Time{}
	if t.heldBy != "" { // it is not held any more
		t.heldBy, t.failure = "", ""
	}
	t.record(now, "started", "", m.set.MaxHistory)
	m.turn(t, Running, now)
}

// end is called when a job has ended.
func (m *Manager) end(t *task, result Result, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.opt.Now()
	t.cancel()
	job, claims := t.job, t.claims
	if !claims {
		t.last = job.progress()
	}
	t.job, t.heldBy, t.claims = nil, "", false
	m.line.Done(t.key())
	close(t.ended)
	defer m.wake()
	switch {
	case err == nil: // done, even if it was being stopped
		t.result, t.errors, t.failure = result, 0, ""
		m.turn(t, Completed, now)
		m.release(t, job)
		m.forget(t)
	case t.removed || m.closed: // which ends the job's context, but not that of who waits
		if t.err = ErrCancelled; m.closed {
			t.err = ErrClosed
		}
		m.forget(t)
	case t.stopped:
		if !claims {
			t.record(now, "stopped", "", m.set.MaxHistory)
		}
		if t.state == Paused {
			return
		}
		m.turn(t, Pending, now)
		m.enqueue(t, now)
	case m.elsewhere(t, err, claims, now):
	default:
		if claims {
			t.record(now, "started", "", m.set.MaxHistory)
		}
		m.crash(t, err, now)
	}
}

// release gives the lease of a finished job back once its end is written into its document.
func (m *Manager) release(t *task, job *Job) {
	if job.lease == nil {
		return
	}
	notifying := closedChan
	if t.notifying != nil {
		notifying = t.notifying
	}
	m.wg.Go(func() {
		<-notifying
		m.giveBack(m.ctx, job, job.lease)
	})
}

// elsewhere handles errors that say that another process runs the job. We ask again later, and at once
// when that process is gone. If it is gone already, or it is not known which it is, or a request waits, we ask again soon.
func (m *Manager) elsewhere(t *task, err error, claims bool, now time.Time) bool {
	if errors.Is(err, errOver) { // its document says the same once it is read
		t.err = err
		m.forget(t)
		return true
	}
	by, is := heldBy(err)
	if !is {
		return false
	}
	if by != "" {
		t.away = time.Time{}
	} else if t.away.IsZero() {
		t.away = now
	}
	awaited := t.req.OneTry && !t.req.Spec.Continuous
	if awaited && by == "" && now.Sub(t.away) >= m.awayWithin {
		return false // who waits is told
	}
	pause := m.askAgain
	if awaited || by == "" || !m.opt.Members.Lives(by) { // perhaps nobody runs it, and nobody's end will be told of
		pause = m.lostAgain
	}
	t.heldBy = by
	t.nextTry = now.Add(pause + rand.N(pause/4+1))
	t.failure = err.Error()
	if !claims {
		t.record(now, "stopped", err.Error(), m.set.MaxHistory)
	}
	m.turn(t, Pending, now)
	m.enqueue(t, now)
	return true
}

// crash handles the failure of a job.
func (m *Manager) crash(t *task, err error, now time.Time) {
	if now.Sub(t.started) >= healthy {
		t.errors = 0
	}
	t.errors++
	t.failure, t.noFilter = err.Error(), errors.Is(err, ErrNoFilter)
	t.record(now, "crashed", t.failure, m.set.MaxHistory)
	log := m.opt.Log.With("replication", t.id, "source", t.req.Spec.Source.Name(), "target", t.req.Spec.Target.Name(), "error", err)
	if t.req.OneTry || errors.Is(err, errNoAccount) {
		if t.req.Spec.Continuous || !t.req.OneTry { // nobody waits for its end
			log.Error("replication failed")
		}
		t.err = err
		m.turn(t, Failed, now)
		m.forget(t)
		return
	}
	pause := m.set.FirstPause << min(t.errors-1, 10)
	pause += rand.N(pause/10 + 1) // so jobs that failed together do not come back together
	t.nextTry = now.Add(pause)
	log.Warn("replication failed; trying again later", "failures", t.errors, "wait", pause)
	m.turn(t, Crashing, now)
	m.enqueue(t, now)
}

// forget ends a task for good.
func (m *Manager) forget(t *task) {
	t.place.Leave()
	if m.tasks[t.id] == t {
		delete(m.tasks, t.id)
	}
	close(t.done)
	if t.req.Owner == (Owner{}) {
		m.docs.freed()
	}
}
