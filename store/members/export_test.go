package members

// Beaten is how many members lived at this one's last beat.
func (m *Members) Beaten() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.living)
}
