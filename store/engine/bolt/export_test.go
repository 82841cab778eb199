package bolt

// CloseFirst has an engine rename and remove files as it does on Windows.
func (e *Engine) CloseFirst() { e.closeFirst = true }
