package replicate

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
)

// askAgain is how long a job that another process runs waits until it looks whether that is still so.
// If that process is gone, it does not wait.
const askAgain = 30 * time.Second

// lostAgain is how long a job waits that this process has lost, or could not claim since it had lost the storage, or that
// is held by a process which has just gone or just come.
const lostAgain = 5 * time.Second

// awayWithin is how long a request waits for a job that cannot run because this process has lost the storage: with
// lostAgain, as long as a writer at the most.
const awayWithin = 20 * time.Second

// errOver says that another process has finished the job.
var errOver = errors.New("another process has done the job")

// leaseOf is the name of a job's lease: several processes know its document, or were asked for the
// same, and one runs the job.
func leaseOf(job string) string { return "replication/" + job }

// turnOf is when this process may claim a job that all processes know of. One of them, another one for each job, may at
// once; so the jobs spread.
func (m *Manager) turnOf(job string, now time.Time) time.Time {
	if pause := m.opt.Members.TurnIn(leaseOf(job)); pause > 0 {
		return now.Add(pause)
	}
	return time.Time{}
}

// runLeased runs a job under its lease.
func (m *Manager) runLeased(ctx context.Context, t *task, job *Job) (Result, error) {
	if m.opt.Members == nil {
		return job.Run(ctx)
	}
	lease, err := m.opt.Members.Take(ctx, leaseOf(job.id))
	if err != nil {
		return Result{}, err
	}
	if owner := t.req.Owner; IsReplicator(owner.DB) {
		if over, err := m.docs.over(ctx, owner); over || err != nil {
			m.giveBack(ctx, job, lease)
			return Result{}, cmp.Or(err, errOver)
		}
	}
	job.fence = lease.Still
	m.mu.Lock()
	m.begin(t, m.opt.Now())
	m.mu.Unlock()
	result, err := job.Run(lease.Context())
	if err == nil {
		// If another process has the job by now, that process ends it.
		err = lease.Still(ctx)
	}
	if err == nil {
		job.lease = lease // until the end is written into the document
		return result, nil
	}
	m.giveBack(ctx, job, lease)
	return result, lease.Of(err)
}

// giveBack lets others have a job at once.
func (m *Manager) giveBack(ctx context.Context, job *Job, lease *members.Lease) {
	if err := lease.Release(ctx); err != nil && !errors.Is(err, store.ErrClosed) {
		m.opt.Log.Warn("cannot give back a lease; it ends with this process", "replication", job.id, "error", err)
	}
}

// heldBy tells which process runs a job, if an error says that one does.
func heldBy(err error) (member string, elsewhere bool) {
	if held, is := errors.AsType[*members.Held](err); is {
		return held.Member, true
	}
	return "", errors.Is(err, members.ErrLost) || errors.Is(err, members.ErrAway)
}

// gone has the jobs of a process that is gone run here.
func (m *Manager) gone(member string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.opt.Now()
	for _, t := range m.tasks {
		if t.heldBy == member && t.job == nil && t.state == Pending {
			t.nextTry = m.turnOf(t.id, now)
			m.enqueue(t, now)
		}
	}
}
