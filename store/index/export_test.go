package index

// SetBatches sets how many documents first builds sort at a time, and how many bytes they load.
func (m *Manager) SetBatches(docs, load int) { m.first.docs, m.load = docs, load }
