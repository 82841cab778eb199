package bolt

import "context"

// CloseFirst has an engine rename and remove files as it does on Windows.
func (e *Engine) CloseFirst() { e.closeFirst = true }

// FlushOne brings one database to its file.
func (e *Engine) FlushOne(name string) error {
	if err := e.flushTo(context.Background(), e.path(name)); err != nil {
		return err
	}
	e.releaseJournal()
	return nil
}
