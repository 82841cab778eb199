package bolt

import (
	"fmt"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// namesTogether is how many files are made before their names are made durable, by one sync of the folder.
const namesTogether = 256

// unnamed are files that were made and whose names may not be on disk yet. The journal is needed for them.
type unnamed struct {
	mu   sync.Mutex
	list []*file
}

// nameAll makes the names of the files on disk that have been made.
func (e *Engine) nameAll() bool {
	e.unnamed.mu.Lock()
	list := e.unnamed.list
	e.unnamed.list = nil
	e.unnamed.mu.Unlock()
	if len(list) == 0 {
		return true
	}
	if err := e.syncNames(); err != nil {
		e.unnamed.mu.Lock()
		e.unnamed.list = append(e.unnamed.list, list...)
		e.unnamed.mu.Unlock()
		e.opt.Noticed("cannot write to disk that there are new files; it will be tried again: " + err.Error())
		return false
	}
	for _, f := range list {
		f.flush.Lock()
		f.isNamed()
		f.flush.Unlock()
	}
	return true
}

// isNamed is called when the name of a file is on disk. The caller holds flush.
func (f *file) isNamed() {
	if f.nameless {
		f.nameless = false
		f.eng.unpin(f, false)
		f.eng.joined(f)
	}
}

// nameIt makes the name of a file durable, if it is not yet. The caller holds flush.
func (f *file) nameIt() error {
	if !f.nameless {
		return nil
	}
	if err := f.eng.syncNames(); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	f.isNamed()
	return nil
}
