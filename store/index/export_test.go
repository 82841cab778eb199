package index

// SetBatches sets how many documents first builds sort at a time, and how many bytes they load.
func (m *Manager) SetBatches(docs, load int) { m.first.docs, m.load = docs, load }

// Closing tells whether Close has begun to stop builds.
func (m *Manager) Closing() bool { return m.ctx.Err() != nil }

// ForgetLeft removes what earlier processes left and no build has gone on with.
func (m *Manager) ForgetLeft() { m.forgetLeft() }
