package bolt

import (
	"fmt"
	"os"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Windows neither renames nor removes a file that is open, so there the engine closes files first. It waits for
// what uses a file, but not for ever: who uses one may be waiting for the engine.
const (
	usedAtMost = 20 * time.Second
	lookAgain  = time.Millisecond
)

// idle calls do once the file has no transaction, with swap held for writing, so that none can begin.
func (f *file) idle(do func() error) error {
	for end := time.Now().Add(usedAtMost); ; time.Sleep(lookAgain) {
		f.swap.Lock()
		if f.using.Load() == 0 {
			defer f.swap.Unlock()
			return do()
		}
		f.swap.Unlock()
		if time.Now().After(end) {
			return fmt.Errorf("%w: %s has been in use for %v", engine.ErrUnavailable, f.path, usedAtMost)
		}
	}
}

// closeToRemove closes a file that has been dropped.
func (f *file) closeToRemove() error {
	if err := f.idle(func() error { return nil }); err != nil { // none begins any more
		return err
	}
	return f.close()
}

// replace gives a compacted file the place of the old one, both closed, and opens what has the name then.
// The caller holds swap, and no transaction is open.
func (c *copier) replace() error {
	f := c.from
	if err := f.state(); err != nil {
		return err
	}
	if err := c.to.Close(); err != nil {
		return err
	}
	err := f.bolt.Close()
	if err == nil {
		err = os.Rename(f.path+tempSuffix, f.path)
	}
	if _, _, opened := f.openBolt(); opened != nil {
		f.damaged = fmt.Errorf("%w: after a compaction: %w", engine.ErrUnavailable, opened)
		return f.damaged
	}
	f.empty.Store(countFree(f.opened))
	return err
}
