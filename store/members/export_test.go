package members

// Beaten is how many members lived at this one's last beat.
func (m *Members) Beaten() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.living)
}

// Expire is what the timer of a beat does.
func (m *Members) Expire() { m.expire(m.ID()) }
