package repository

import (
	"context"
	"errors"
	"os"
	"sync"
)

// keepingAtOnce is how many finished objects may be on their way into the storage.
const keepingAtOnce = 2

// keeping has a storage keep objects while the next ones are written: to wait for a disk or a line is
// no work. What names an object is stored after wait has said that it is there. One that fails is the
// end: others, and what was noted in memory, may rest on it.
type keeping struct {
	storage Storage
	turns   chan struct{}
	work    sync.WaitGroup

	mu  sync.Mutex // guards err
	err error      // the first
}

func newKeeping(s Storage) *keeping {
	return &keeping{storage: s, turns: make(chan struct{}, keepingAtOnce)}
}

// add has an object kept. It may wait for earlier ones.
func (k *keeping) add(ctx context.Context, f *os.File, name string) error {
	k.turns <- struct{}{}
	if err := k.failed(); err != nil {
		<-k.turns
		return errors.Join(err, discard(f))
	}
	k.work.Go(func() { // wait waits for it
		defer func() { <-k.turns }()
		if err := k.storage.Keep(ctx, f, name); err != nil {
			k.fail(err)
		}
	})
	return nil
}

// fail ends the keeping.
func (k *keeping) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.err = err
	}
}

// failed is why one could not be kept.
func (k *keeping) failed() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// wait returns when all are there, or one has failed.
func (k *keeping) wait() error {
	k.work.Wait()
	return k.failed()
}
