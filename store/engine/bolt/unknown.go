package bolt

import (
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// settle finds out what became of a transaction of the file whose commit failed, by the number of the next one.
// It reports that it took place: the layers are in the file. The caller holds write and flush.
func (f *file) settle(next int) (took bool, err error) {
	if f.by == 0 {
		return false, nil
	}
	return f.settled(next > f.by)
}

// settled is told whether it took place. The caller holds flush, and write unless the file rests.
func (f *file) settled(took bool) (bool, error) {
	if err := f.firm(); err != nil { // else it may not have, after a power cut
		return false, err
	}
	if took {
		f.has(f.byMark)
		return true, nil
	}
	f.swap.Lock()
	f.by = 0
	f.swap.Unlock()
	return false, nil
}

// has notes that the file has the layers for good, and this mark. The caller holds flush, and write unless the file rests.
func (f *file) has(m mark) {
	f.now, f.saved, f.direct = m, m, false
	f.uncounted.Store(true)
	f.lift()
	f.eng.unpin(f, true)
	f.eng.unpin(f, false)
	f.eng.joined(f)
}

// firm makes durable what the file shows, if a commit has failed of which nobody knows whether it took place. Then the meta page
// may be in memory only that makes it valid, and the system believe that it is on disk: it is written again. Otherwise the next
// transaction writes over pages that are free now, and that all else which is on disk would still need. The caller holds flush.
func (f *file) firm() error {
	if !f.shaky {
		return nil
	}
	metas := make([]byte, 2*f.bolt.Info().PageSize)
	_, err := f.opened.ReadAt(metas, 0)
	if err == nil {
		_, err = f.opened.WriteAt(metas, 0)
	}
	if err == nil && !f.bolt.NoSync {
		err = f.eng.sync(f.bolt)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, systemError(err))
	}
	f.shaky = false
	return nil
}

// findOut finds out what became of a commit that failed, if there is one.
func (f *file) findOut(ctx context.Context) error {
	if !f.unknown() {
		return nil
	}
	defer heedNoFaults(heedFaults())
	f.write.Lock()
	defer f.write.Unlock()
	if rested, err := f.findOutAtRest(); rested {
		if errors.Is(err, engine.ErrForeign) {
			err = f.giveUp(err, false)
		}
		return err
	}
	if !f.unknown() {
		return nil
	}
	if err := f.inPlace(); err != nil {
		return err
	}
	t, err := f.beginInto(ctx, nil)
	if err != nil {
		return err
	}
	return f.endInto(t, nil, nil) // that it begins is enough
}

// findOutAtRest does that if nobody has the database open. The caller holds write.
func (f *file) findOutAtRest() (rested bool, err error) {
	f.flush.Lock()
	defer f.flush.Unlock()
	if !f.resting {
		return false, nil
	}
	if err := f.wake(); err != nil {
		return true, err
	}
	return true, f.sleep()
}

// unknown tells whether nobody knows what became of a commit.
func (f *file) unknown() bool {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return f.by != 0
}
