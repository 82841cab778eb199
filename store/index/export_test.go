package index

// SetBatches has first builds sort so many documents at a time, and load so many bytes.
func (m *Manager) SetBatches(docs, load int) { m.first.docs, m.load = docs, load }
