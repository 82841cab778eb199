package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/tododb/tododb/store/members"
)

// Where processes share a storage, each tells the others of its jobs, so that any of them can show all.
// What is told is a few seconds old.

// The kinds of notes and questions (members.Members).
const (
	jobNotes  = "jobs"
	askCancel = "cancel"
	askRetry  = "retry"
)

// asked is a question about a job.
type asked struct {
	ID   string `json:"id"`
	User User   `json:"user"`
}

// meet tells the other processes of the jobs here, and answers what they ask.
func (m *Manager) meet() {
	m.opt.Members.OnGone(m.gone)
	m.opt.Members.Tell(jobNotes, m.tell)
	m.opt.Members.Answer(askCancel, func(ctx context.Context, body []byte) ([]byte, error) {
		var q asked
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		return answered(m.cancelHere(ctx, q.ID, q.User))
	})
	m.opt.Members.Answer(askRetry, func(_ context.Context, body []byte) ([]byte, error) {
		var q asked
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		_, err := m.retryHere(q.ID)
		return answered(err)
	})
}

// answered is the answer to a question: the error, if it is one that means something to who asks.
func answered(err error) ([]byte, error) {
	for _, known := range []error{ErrNoJob, ErrNotYours} {
		if errors.Is(err, known) {
			return json.Marshal(known.Error())
		}
	}
	return []byte(`""`), err
}

// tell is what the others are told: the jobs that run here or have failed here, and those that
// requests here wait for. All processes know the others by their documents.
func (m *Manager) tell() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	told := map[string][]byte{}
	for id, t := range m.tasks {
		if t.req.Owner != (Owner{}) && t.state != Running && t.state != Crashing {
			continue
		}
		s := m.status(t)
		s.Result = nil
		told[id] = Marshal(s)
	}
	return told
}

// foreign is a job at another process.
type foreign struct {
	Status
	at members.Member
}

// jobsElsewhere returns the jobs of the other processes, by id. Of several with one id it is the one that
// runs.
func (m *Manager) jobsElsewhere(ctx context.Context) map[string][]foreign {
	found := map[string][]foreign{}
	err := m.opt.Members.Told(ctx, jobNotes, func(by members.Member, id string, body []byte) error {
		f := foreign{at: by}
		if json.Unmarshal(body, &f.Status) == nil {
			found[id] = append(found[id], f)
		}
		return nil
	})
	if err != nil && m.ctx.Err() == nil {
		m.opt.Log.Warn("cannot read what other processes replicate", "error", err)
	}
	return found
}

// shown is the status of a job of which others may tell too: that of who runs it, else of who has it
// fail, else what is known here.
func shown(here *Status, elsewhere []foreign) *Status {
	rank := func(s *Status) int {
		switch s.State {
		case Running:
			return 2
		case Crashing:
			return 1
		}
		return 0
	}
	best := here
	for i := range elsewhere {
		if s := &elsewhere[i].Status; best == nil || rank(s) > rank(best) {
			best = s
		}
	}
	return best
}

// Jobs returns the status of all jobs, of all processes, in the order of their ids.
func (m *Manager) Jobs() []Status {
	all := m.tasksHere(func(*task) bool { return true })
	for id, others := range m.jobsElsewhere(m.ctx) {
		all[id] = shown(all[id], others)
	}
	return byID(all)
}

// JobsHere returns the jobs that this process runs or has to run, without asking the storage.
func (m *Manager) JobsHere() []Status {
	return byID(m.tasksHere(func(t *task) bool { return t.state != Pending || t.heldBy == "" }))
}

func (m *Manager) tasksHere(those func(*task) bool) map[string]*Status {
	all := map[string]*Status{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, t := range m.tasks {
		if those(t) {
			s := m.status(t)
			all[id] = &s
		}
	}
	return all
}

func byID(all map[string]*Status) []Status {
	list := make([]Status, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		list = append(list, *all[id])
	}
	return list
}

// Status returns the status of a job of any process. The error is ErrNoJob if there is no such job.
func (m *Manager) Status(id string) (Status, error) {
	here := m.statusHere(id)
	if m.opt.Members != nil && (here == nil || here.State != Running) {
		here = shown(here, m.jobsElsewhere(m.ctx)[id])
	}
	if here == nil {
		return Status{}, ErrNoJob
	}
	return *here, nil
}

// statusHere is the status of a job as this process knows it, nil if it does not.
func (m *Manager) statusHere(id string) *Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[id]
	if t == nil {
		return nil
	}
	s := m.status(t)
	return &s
}

// askAll asks the processes that have a job. The error is ErrNoJob if none has it.
func (m *Manager) askAll(ctx context.Context, kind, id string, user User) error {
	var have []string
	for _, f := range m.jobsElsewhere(ctx)[id] {
		have = append(have, f.at.ID)
	}
	// Who has just begun with it has not told yet.
	holder, err := m.opt.Members.Holder(ctx, leaseOf(id))
	if err != nil {
		return err
	}
	if holder != "" && holder != m.opt.Members.ID() && !slices.Contains(have, holder) {
		have = append(have, holder)
	}
	err = ErrNoJob
	for _, member := range have {
		answer, e := m.opt.Members.Ask(ctx, member, kind, Marshal(asked{id, user}))
		if e != nil {
			return e
		}
		var said string
		if e := json.Unmarshal(answer, &said); e != nil {
			return e
		}
		switch said {
		case "":
			err = nil
		case ErrNotYours.Error():
			return ErrNotYours
		}
	}
	return err
}

// Cancel stops a job that a request has asked for, at any process, and waits until it has written its
// last checkpoint. Users who are not administrators may cancel only their own. Errors: ErrNoJob,
// ErrNotYours.
func (m *Manager) Cancel(ctx context.Context, id string, user User) error {
	err := m.cancelHere(ctx, id, user)
	if m.opt.Members == nil || err != nil && !errors.Is(err, ErrNoJob) {
		return err
	}
	if others := m.askAll(ctx, askCancel, id, user); !errors.Is(others, ErrNoJob) {
		return others
	}
	return err
}

// Retry makes a job that waits after a failure run as soon as there is room. A job in any other
// state stays as it is. It returns the job's status, or ErrNoJob.
func (m *Manager) Retry(id string) (Status, error) {
	s, err := m.retryHere(id)
	if m.opt.Members == nil || err == nil && s.State == Running {
		return s, err
	}
	if others := m.askAll(m.ctx, askRetry, id, User{}); others != nil && !errors.Is(others, ErrNoJob) {
		return s, others
	}
	return m.Status(id)
}

// meantElsewhere is meant for the jobs of other processes.
func (m *Manager) meantElsewhere(id, plain string) string {
	all := m.jobsElsewhere(m.ctx)
	if _, is := all[id]; is {
		return id
	}
	for other := range all {
		if other == plain || strings.HasPrefix(other, plain+byUser) {
			return other
		}
	}
	return id
}
