package replicate

import (
	"context"
	"strings"
)

// Replicate does what the body of a POST to /_replicate asks for. It returns the JSON of the
// answer when a one-time replication is done or a cancelled one has stopped. For a continuous
// one it returns at once, with started set. A one-time replication also ends when ctx ends,
// unless another request waits for it.
func (m *Manager) Replicate(ctx context.Context, request []byte, user User) (answer []byte, started bool, err error) {
	spec, err := ParseSpec(request)
	if err != nil {
		return nil, false, err
	}
	if spec.Cancel {
		id := spec.ID
		if id == "" {
			id = m.meant(spec, user)
		}
		if err := m.Cancel(ctx, id, user); err != nil {
			return nil, false, err
		}
		return localID(id), false, nil
	}
	t, err := m.join(ctx, spec, user)
	if err != nil {
		return nil, false, err
	}
	if spec.Continuous {
		return localID(t.id), true, nil
	}
	select {
	case <-t.done:
	case <-ctx.Done():
		m.quit(t)
		return nil, false, ctx.Err()
	}
	if t.err != nil {
		return nil, false, t.err
	}
	return t.result.JSON(), false, nil
}

// meant returns the id of the job that a user wants to cancel by describing it. It is their
// own job or, if they have none, somebody else's, which only administrators may cancel.
func (m *Manager) meant(spec Spec, user User) string {
	id, plain := m.idOf(&Request{Spec: spec, User: user}), m.JobID(spec)
	if here, is := m.meantHere(id, plain); is || m.opt.Members == nil {
		return here
	}
	return m.meantElsewhere(id, plain)
}

func (m *Manager) meantHere(id, plain string) (meant string, is bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tasks[id] != nil {
		return id, true
	}
	for other := range m.tasks {
		if other == plain || strings.HasPrefix(other, plain+byUser) {
			return other, true
		}
	}
	return id, false
}

func localID(id string) []byte {
	return Marshal(struct {
		OK bool   `json:"ok"`
		ID string `json:"_local_id"`
	}{true, id})
}

// join adds a job without an owner, or finds the one that the same caller has already asked
// for. If that one is being stopped, join waits and adds it again.
func (m *Manager) join(ctx context.Context, spec Spec, user User) (*task, error) {
	if err := m.check(&spec); err != nil {
		return nil, err
	}
	if err := m.MaySend(&spec, user); err != nil {
		return nil, err
	}
	req := Request{Spec: spec, User: user, OneTry: !spec.Continuous || m.opt.Patient}
	id := m.idOf(&req)
	if m.opt.Origin != nil {
		req.origin = m.opt.Origin(ctx)
	}
	for {
		t, ending, err := m.joinNow(id, req)
		if ending == nil {
			return t, err
		}
		select {
		case <-ending:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// joinNow does not wait: ending is that of a job that is being stopped, nil if the caller has joined one. That one may be
// cancelled at once, which is no reason to begin it again.
func (m *Manager) joinNow(id string, req Request) (t *task, ending <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t = m.tasks[id]
	switch {
	case t == nil:
		t, err = m.add(req)
		if err != nil {
			return nil, nil, err
		}
	case t.removed:
		return nil, t.done, nil
	case t.req.Owner != Owner{} || !t.req.User.is(req.User):
		return nil, nil, &Taken{id, t.req.Owner}
	}
	t.waiters++
	return t, nil, nil
}

// quit notes that a request no longer waits. When none does, the one-time job is removed.
func (m *Manager) quit(t *task) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t.waiters--
	if t.waiters == 0 && m.tasks[t.id] == t {
		m.remove(t)
	}
}

// cancelHere is Cancel for the jobs of this process.
func (m *Manager) cancelHere(ctx context.Context, id string, user User) error {
	m.mu.Lock()
	t := m.tasks[id]
	switch {
	case t == nil || t.req.Owner != Owner{}:
		m.mu.Unlock()
		return ErrNoJob
	case !user.Admin && t.req.User.Name != user.Name:
		m.mu.Unlock()
		return ErrNotYours
	}
	m.remove(t)
	m.mu.Unlock()
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
