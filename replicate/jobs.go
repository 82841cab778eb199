package replicate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Taken says that a replication already belongs to another owner.
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

// JobID returns the id that an administrator's job with this spec has here.
func (m *Manager) JobID(spec Spec) string { return spec.JobID(m.opt.Server) }

// idOf returns the id of the requested job. Users who are not administrators have ids of
// their own, so nobody can block a replication by asking for it first. The checkpoints are
// the same.
func (m *Manager) idOf(req *Request) string {
	who := req.by()
	id := m.JobID(req.Spec)
	if who.Admin || who.Name == "" {
		return id
	}
	name := sha256.Sum256([]byte(who.Name + "\x00" + who.Mark))
	return id + byUser + hex.EncodeToString(name[:8])
}

// byUser marks the id of a user's own job.
const byUser = "+by+"

// Add makes the scheduler run a job, and run it again after each failure, until it is done
// or removed. The error is *Taken if the replication has another owner.
func (m *Manager) Add(req Request) (id string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.add(req)
	if err != nil {
		return "", err
	}
	return t.id, nil
}

// addSoon is Add for a replication that may be about to end. It waits for the end.
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

// Remove stops a job and forgets it. It waits for the job's last checkpoint and for a running
// Notify, so do not call it from there. The error is ErrNoJob if there is no such job.
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

// remove is Remove with the lock held and without the waiting. The task is gone when its done
// channel is closed. The last notice has been given when the returned channel is closed.
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
	t.err = ErrCancelled
	m.forget(t)
	return notifying
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Pause stops a job, if it runs, and keeps it from starting. It returns once the job has
// written its last checkpoint. The error is ErrNoJob if there is no such job.
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

// Resume lets a paused job run. A job that waits after a failure runs at once. The error is
// ErrNoJob if there is no such job.
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
	} // else it joins the line again once it has stopped
	return nil
}

// retryHere is Retry for the jobs of this process.
func (m *Manager) retryHere(id string) (Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	if t == nil {
		return Status{}, ErrNoJob
	}
	if t.state == Crashing && t.job == nil {
		t.nextTry = time.Time{}
		m.enqueue(t, m.opt.Now())
	}
	return m.status(t), nil
}
