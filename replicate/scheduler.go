package replicate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"time"
)

// Settings say how many jobs run and for how long, as CouchDB's [replicator]. Those that
// are zero have CouchDB's defaults.
type Settings struct {
	MaxJobs       int           // jobs that run at once (500)
	Interval      time.Duration // how often running continuous jobs make room for waiting ones (60 s)
	MaxChurn      int           // how many of them at a time (20)
	StartupJitter time.Duration // after a start of the server jobs begin spread over this time (5 s); negative: at once
	MaxHistory    int           // events remembered of a job (20)
	FirstPause    time.Duration // after a job's first failure; it doubles with each in a row, up to 1024 times (30 s)
	UpdateDocs    bool          // also write the states triggered and error into documents of _replicator
}

// healthy is how long a job must have run for its earlier failures to be forgotten.
const healthy = 2 * time.Minute

func (s Settings) withDefaults() Settings {
	if s.MaxJobs <= 0 {
		s.MaxJobs = 500
	}
	if s.Interval <= 0 {
		s.Interval = time.Minute
	}
	if s.MaxChurn <= 0 {
		s.MaxChurn = 20
	}
	if s.StartupJitter == 0 {
		s.StartupJitter = 5 * time.Second
	}
	if s.MaxHistory <= 0 {
		s.MaxHistory = 20
	}
	if s.FirstPause <= 0 {
		s.FirstPause = 30 * time.Second
	}
	return s
}

// SetSettings changes the settings while jobs run.
func (m *Manager) SetSettings(s Settings) {
	m.mu.Lock()
	m.set = s.withDefaults()
	m.mu.Unlock()
	m.wake()
}

func (m *Manager) settings() Settings {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.set
}

// Taken says that a replication is another owner's already.
type Taken struct {
	ID    string
	Owner Owner
}

func (e *Taken) Error() string {
	if e.Owner.Doc == "" {
		return fmt.Sprintf("Replication `%s` has been started by another request", e.ID)
	}
	return fmt.Sprintf("Replication `%s` has been started by document `%s` of database `%s`", e.ID, e.Owner.Doc, e.Owner.DB)
}

// JobID is the id that a job of this spec has here.
func (m *Manager) JobID(spec Spec) string { return spec.JobID(m.opt.Server) }

// Add has the scheduler run a job from now on, and again after each failure, until it is
// done or removed: *Taken if the replication has another owner.
func (m *Manager) Add(req Request) (id string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.add(req)
	if err != nil {
		return "", err
	}
	return t.id, nil
}

// addSoon is Add for a replication that may be about to end: that is waited for.
func (m *Manager) addSoon(ctx context.Context, req Request) error {
	req.Spec.setDefaults()
	for {
		m.mu.Lock()
		old := m.tasks[m.JobID(req.Spec)]
		if old == nil || !old.removed {
			_, err := m.add(req)
			m.mu.Unlock()
			return err
		}
		m.mu.Unlock()
		select {
		case <-old.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add is Add with the lock held.
func (m *Manager) add(req Request) (*task, error) {
	if m.closed {
		return nil, ErrClosed
	}
	req.Spec.setDefaults()
	id := m.JobID(req.Spec)
	if old := m.tasks[id]; old != nil {
		return nil, &Taken{id, old.req.Owner}
	}
	now := m.opt.Now()
	m.number++
	t := &task{id: id, number: m.number, req: req, state: Pending, added: now, changed: now, nextTry: req.NotBefore, last: Progress{Pending: -1}, done: make(chan struct{})}
	m.tasks[id] = t
	t.record(now, "added", "", m.set.MaxHistory)
	if req.Paused {
		t.state = Paused
	} else {
		m.enqueue(t, now)
		m.fill(now)
	}
	return t, nil
}

// enqueue lets a task wait: for its next try, or for its turn.
func (m *Manager) enqueue(t *task, now time.Time) {
	t.leave()
	if t.nextTry.After(now) {
		m.sleeping.add(t)
	} else {
		m.ready(t)
	}
	m.wake()
}

// ready puts a task into the line of its owner's database.
func (m *Manager) ready(t *task) {
	line := m.lines[t.req.Owner.DB]
	if line == nil {
		line = &queue{less: byTurn}
		m.lines[t.req.Owner.DB] = line
	}
	line.add(t)
}

// wake has the scheduler look around.
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

// step starts and stops what is due, and tells when the next step is.
func (m *Manager) step() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.opt.Now()
	for t := m.sleeping.first(); t != nil && !t.nextTry.After(now); t = m.sleeping.first() {
		t.leave()
		m.ready(t)
	}
	m.fill(now)
	if m.running > m.set.MaxJobs {
		m.makeRoom(m.running-m.set.MaxJobs, true, now)
	}
	due := m.rotated.Add(m.set.Interval)
	if !now.Before(due) {
		m.rotated, due = now, now.Add(m.set.Interval)
		if waiting := m.waiting(); waiting > 0 && m.running >= m.set.MaxJobs {
			m.makeRoom(min(waiting, m.set.MaxChurn), false, now)
		}
	}
	if t := m.sleeping.first(); t != nil && t.nextTry.Before(due) {
		due = t.nextTry
	}
	return max(due.Sub(now), time.Millisecond)
}

// fill starts jobs as long as there is room and somebody waits for it.
func (m *Manager) fill(now time.Time) {
	for m.running < m.set.MaxJobs {
		t := m.nextInLine()
		if t == nil {
			return
		}
		m.launch(t, now)
	}
}

func (m *Manager) waiting() (n int) {
	for _, line := range m.lines {
		n += line.Len()
	}
	return n
}

// nextInLine takes a task out of the line of the database that has the fewest jobs
// running, so that one with thousands of documents leaves room for the others.
func (m *Manager) nextInLine() *task {
	var best *task
	least := 0
	for db, line := range m.lines {
		t := line.first()
		if t == nil {
			delete(m.lines, db)
			continue
		}
		n := m.runningOf[db]
		if best == nil || n < least || n == least && byTurn(t, best) {
			best, least = t, n
		}
	}
	if best != nil {
		best.leave()
	}
	return best
}

// makeRoom stops continuous jobs, those that have run longest first. One-time jobs come
// to their end by themselves; they are stopped only if there are too many.
func (m *Manager) makeRoom(n int, alsoOnce bool, now time.Time) {
	var running []*task
	for _, t := range m.tasks {
		if t.job == nil || t.stopped {
			if t.job != nil {
				n-- // its slot will be free
			}
			continue
		}
		if t.req.Spec.Continuous && (alsoOnce || now.Sub(t.started) >= m.set.Interval) || alsoOnce {
			running = append(running, t)
		}
	}
	sort.Slice(running, func(i, k int) bool {
		a, b := running[i], running[k]
		if a.req.Spec.Continuous != b.req.Spec.Continuous {
			return a.req.Spec.Continuous
		}
		return a.started.Before(b.started)
	})
	for _, t := range running[:min(max(n, 0), len(running))] {
		t.stop()
	}
}

// stop tells a running job to stop.
func (t *task) stop() {
	t.stopped = true
	t.cancel()
}

// launch starts a job. The lock is held.
func (m *Manager) launch(t *task, now time.Time) {
	var ctx context.Context
	ctx, t.cancel = context.WithCancel(m.ctx)
	if t.req.origin != nil {
		ctx = t.req.origin(ctx)
	}
	t.stopped, t.ended = false, make(chan struct{})
	t.started, t.nextTry = now, time.Time{}
	t.job = m.newJob(&t.req)
	m.running++
	m.runningOf[t.req.Owner.DB]++
	t.record(now, "started", "", m.set.MaxHistory)
	m.turn(t, Running, now)
	job := t.job
	m.wg.Go(func() {
		result, err := m.runLeased(ctx, t.req.Owner, job)
		job.close()
		m.end(t, result, err)
	})
}

// end takes in that a job has ended.
func (m *Manager) end(t *task, result Result, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.opt.Now()
	t.last = t.job.progress()
	t.cancel()
	t.job = nil
	m.running--
	if m.runningOf[t.req.Owner.DB]--; m.runningOf[t.req.Owner.DB] == 0 {
		delete(m.runningOf, t.req.Owner.DB)
	}
	close(t.ended)
	defer m.wake()
	switch {
	case err == nil: // also if it was being stopped: it is done
		t.result, t.errors, t.failure = result, 0, ""
		m.turn(t, Completed, now)
		m.forget(t)
	case t.removed || m.closed:
		t.err = err
		m.forget(t)
	case t.stopped:
		t.record(now, "stopped", "", m.set.MaxHistory)
		if t.state == Paused {
			return
		}
		m.turn(t, Pending, now)
		m.enqueue(t, now)
	case m.elsewhere(t, err, now):
	default:
		m.crash(t, err, now)
	}
}

// elsewhere takes in that another process runs the job: when its lease ends without
// having been renewed, we try for it.
func (m *Manager) elsewhere(t *task, err error, now time.Time) bool {
	if errors.Is(err, errOver) { // its document, when it is read, says the same
		t.err = err
		m.forget(t)
		return true
	}
	held, ok := errors.AsType[errHeld](err)
	if !ok && !errors.Is(err, errLost) {
		return false
	}
	t.nextTry = held.until
	if !ok {
		t.nextTry = now.Add(m.leaseFor)
	}
	t.nextTry = t.nextTry.Add(rand.N(m.leaseFor/10 + 1))
	t.failure = err.Error()
	t.record(now, "stopped", err.Error(), m.set.MaxHistory)
	m.turn(t, Pending, now)
	m.enqueue(t, now)
	return true
}

// crash takes in that a job has failed.
func (m *Manager) crash(t *task, err error, now time.Time) {
	if now.Sub(t.started) >= healthy {
		t.errors = 0
	}
	t.errors++
	t.failure = err.Error()
	t.record(now, "crashed", t.failure, m.set.MaxHistory)
	log := m.opt.Log.With("replication", t.id, "source", t.req.Spec.Source.Name(), "target", t.req.Spec.Target.Name(), "error", err)
	if t.req.OneTry {
		if t.req.Spec.Continuous { // nobody waits for its end
			log.Error("replication failed")
		}
		t.err = err
		m.turn(t, Failed, now)
		m.forget(t)
		return
	}
	pause := m.set.FirstPause << min(t.errors-1, 10)
	pause += rand.N(pause/10 + 1) // so that those that failed together do not come back together
	t.nextTry = now.Add(pause)
	log.Warn("replication failed; trying again later", "failures", t.errors, "wait", pause)
	m.turn(t, Crashing, now)
	m.enqueue(t, now)
}

// turn changes a task's state and tells its owner.
func (m *Manager) turn(t *task, s State, now time.Time) {
	t.state, t.changed = s, now
	if t.req.Notify == nil || t.removed {
		return
	}
	t.notices = append(t.notices, t.status())
	if t.notifying != nil {
		return
	}
	t.notifying = make(chan struct{})
	m.wg.Go(func() { m.notify(t) })
}

// notify gives a task's notices until there are no more.
func (m *Manager) notify(t *task) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(t.notices) > 0 && !t.removed {
		next := t.notices[0]
		t.notices = t.notices[1:]
		m.mu.Unlock()
		t.req.Notify(m.ctx, next)
		m.mu.Lock()
	}
	t.notices = nil
	close(t.notifying)
	t.notifying = nil
}

// forget ends a task for good.
func (m *Manager) forget(t *task) {
	t.leave()
	if m.tasks[t.id] == t {
		delete(m.tasks, t.id)
	}
	close(t.done)
}

// Remove stops a job and forgets it. It waits for its last checkpoint and for a Notify
// that is under way, so it is not called from there: ErrNoJob.
func (m *Manager) Remove(ctx context.Context, id string) error {
	m.mu.Lock()
	t := m.tasks[id]
	if t == nil {
		m.mu.Unlock()
		return ErrNoJob
	}
	notifying := m.remove(t)
	m.mu.Unlock()
	for _, c := range []<-chan struct{}{t.done, notifying} {
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// remove is Remove with the lock held, without the waiting: the task is gone when its
// done is closed, and the last notice given when the result is, nil being no channel to
// wait for.
func (m *Manager) remove(t *task) (notifying <-chan struct{}) {
	notifying = closedChan
	if t.notifying != nil {
		notifying = t.notifying
	}
	t.removed = true
	if t.job != nil {
		t.stop()
		return notifying
	}
	t.err = context.Canceled
	m.forget(t)
	return notifying
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Pause stops a job, if it runs, and keeps it from starting; it returns once the job has
// written its last checkpoint: ErrNoJob.
func (m *Manager) Pause(ctx context.Context, id string) error {
	m.mu.Lock()
	t := m.tasks[id]
	if t == nil {
		m.mu.Unlock()
		return ErrNoJob
	}
	ended := closedChan
	t.leave()
	if t.state != Paused {
		m.turn(t, Paused, m.opt.Now())
	}
	if t.job != nil {
		t.stop()
		ended = t.ended
	}
	m.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resume lets a paused job run, and one that waits after failures at once: ErrNoJob.
func (m *Manager) Resume(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	if t == nil {
		return ErrNoJob
	}
	if t.job != nil && t.state != Paused {
		return nil
	}
	now := m.opt.Now()
	t.nextTry = time.Time{}
	if t.state == Paused {
		m.turn(t, Pending, now)
	}
	if t.job == nil {
		m.enqueue(t, now)
	} // else it goes back into line when it has stopped
	return nil
}

// Status tells of one job: ErrNoJob.
func (m *Manager) Status(id string) (Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	if t == nil {
		return Status{}, ErrNoJob
	}
	return t.status(), nil
}

// Jobs tells of all jobs, in the order of their ids.
func (m *Manager) Jobs() []Status {
	m.mu.Lock()
	all := make([]Status, 0, len(m.tasks))
	for _, t := range m.tasks {
		all = append(all, t.status())
	}
	m.mu.Unlock()
	sort.Slice(all, func(i, k int) bool { return all[i].ID < all[k].ID })
	return all
}
