package replicate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"time"
)

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

// JobID is the id that a job of this spec has here, if it is an administrator's.
func (m *Manager) JobID(spec Spec) string { return spec.JobID(m.opt.Server) }

// idOf is the id of the job that is asked for. That of a user who administers nothing is his
// own: who asks first for what another wants to replicate does not keep it from him. Their
// checkpoints are the same.
func (m *Manager) idOf(req *Request) string {
	who := req.by()
	id := m.JobID(req.Spec)
	if who.Admin || who.Name == "" {
		return id
	}
	name := sha256.Sum256([]byte(who.Name + "\x00" + who.Mark))
	return id + byUser + hex.EncodeToString(name[:8])
}

// byUser stands in the id of a user's own job.
const byUser = "+by+"

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
	for {
		m.mu.Lock()
		old := m.tasks[m.idOf(&req)]
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
	req.Spec.inherit(m.set.Defaults)
	id := m.idOf(&req)
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
	t.place.Leave()
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
