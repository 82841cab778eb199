package bolt

import (
	"context"

	"github.com/tododb/tododb/store/engine"
)

// settle finds out what became of a transaction of the file whose commit failed, by the number of the next one.
// It reports that it took place: the layers are in the file. The caller holds write and flush.
func (f *file) settle(next int) bool {
	by := f.by
	if by == 0 {
		return false
	}
	if next > by {
		f.lift()
		return true
	}
	f.swap.Lock()
	f.by = 0
	f.swap.Unlock()
	return false
}

// findOut finds out what became of a commit that failed, if there is one: the next one tells, and brings the layers there.
func (f *file) findOut(ctx context.Context) error {
	if !f.unknown() {
		return nil
	}
	defer heedNoFaults(heedFaults())
	f.write.Lock()
	defer f.write.Unlock()
	f.flush.Lock()
	resting := f.resting // who opens it finds out
	f.flush.Unlock()
	if !f.unknown() || resting {
		return nil
	}
	if err := f.inPlace(); err != nil {
		return err
	}
	return f.into(engine.UseReserve(ctx), func(*tx) error { return nil })
}

// unknown tells whether nobody knows what became of a commit.
func (f *file) unknown() bool {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return f.by != 0
}
