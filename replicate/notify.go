package replicate

import "time"

// turn changes a task's state and tells its owner.
func (m *Manager) turn(t *task, s State, now time.Time) {
	t.state, t.changed = s, now
	if t.req.Notify == nil || t.removed {
		return
	}
	t.notices = append(t.notices, m.status(t))
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
