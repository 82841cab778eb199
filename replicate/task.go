package replicate

import (
	"context"
	"time"

	"github.com/tododb/tododb/store/fair"
)

// Request asks the scheduler for a job.
type Request struct {
	Spec  Spec
	Owner Owner
	User  User // who asks
	// OneTry ends the job after its first failure instead of retrying it later.
	OneTry bool
	// Paused keeps the job from starting until Resume.
	Paused bool
	// NotBefore is when the job may start; zero: at once.
	NotBefore time.Time
	// Notify, if not nil, is called for every change of the job's state, one after another. It
	// may take its time, and is called without locks. It is not called after Remove has
	// returned.
	Notify func(context.Context, Status)
	// Source and Target hear what each run of the job does with its peers.
	Source, Target Observer

	// sharer, if not "", is the user whose share of the running jobs this job counts against.
	// Otherwise it is User.
	sharer string
	// sender, if not nil, returns for each run the user in whose name requests go to peers.
	// Otherwise it is User.
	sender func() User
	// origin, if not nil, puts into the context of a run which request led to it.
	origin func(context.Context) context.Context
}

// by returns in whose name requests go to peers now.
func (r *Request) by() User {
	if r.sender != nil {
		return r.sender()
	}
	return r.User
}

// task is a job that the scheduler knows. Manager.mu guards the fields that change.
type task struct {
	id     string
	number int // the order in which tasks came
	req    Request

	state    State
	history  []Event // newest first
	errors   int     // failures in a row
	failure  string  // the last failure
	noFilter bool    // it was that the source has no such filter function
	added    time.Time
	started  time.Time // of the last run
	changed  time.Time
	nextTry  time.Time
	heldBy   string    // the process that runs it; "": none is known
	away     time.Time // since when it cannot run because this process has lost the storage; zero: it is not so

	place *fair.Place[*task] // where it waits, if it does

	job     *Job // while it runs, or claims
	claims  bool // it is about to run here, unless another process does it
	last    Progress
	cancel  context.CancelFunc
	stopped bool          // it has been told to stop
	ended   chan struct{} // closed when the run is over
	removed bool
	waiters int // requests that wait for a one-time job

	done   chan struct{} // closed when the task is over and result and err are set
	result Result
	err    error

	notices   []Status
	notifying chan struct{} // not nil while notices are being given; closed when there are no more
}

// record notes an event.
func (t *task) record(now time.Time, what, reason string, keep int) {
	t.history = append([]Event{{now, what, reason}}, t.history...)
	if len(t.history) > keep {
		t.history = t.history[:keep]
	}
}

// status is called with mu held.
func (m *Manager) status(t *task) Status {
	s := Status{
		Node: m.opt.Node, PID: pid(),
		ID: t.id, Owner: t.req.Owner, User: t.req.User.Name,
		Source: t.req.Spec.Source.Name(), Target: t.req.Spec.Target.Name(), Continuous: t.req.Spec.Continuous,
		State: t.state, Errors: t.errors, LastError: t.failure, NoFilter: t.state == Crashing && t.noFilter, NextTry: t.nextTry,
		Added: t.added, Started: t.started, Changed: t.changed, Progress: t.last, History: append([]Event(nil), t.history...),
	}
	if t.job != nil && !t.claims {
		s.Progress = t.job.progress()
		s.LastError = t.job.retrying()
	}
	if t.state == Completed {
		s.Result = &t.result
	}
	return s
}
