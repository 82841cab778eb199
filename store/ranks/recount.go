package ranks

import (
	"context"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// recounts counts a database without making anybody wait for a lock. The scan has a snapshot of
// its own. Commits from before the snapshot on are noted, and added when the scan is over.
// Counts know their sequence, so a commit that the snapshot already has is not added twice.
type recounts struct {
	mu  sync.Mutex // guards what follows, and the counts; no I/O under it
	now *recount   // under way
}

type recount struct {
	over  chan struct{}
	moves []Move // committed since it began
}

// note keeps moves for the count under way. The lock is held.
func (c *recounts) note(moves []Move) {
	if c.now != nil {
		c.now.moves = append(c.now.moves, moves...)
	}
}

// run counts, then calls put to store the counts; moves are those that the counts may lack. The
// caller holds the lock, and no other count is under way. run releases the lock while it
// counts.
func (c *recounts) run(ctx context.Context, db Database, count func(engine.Reader) error, put func(moves []Move)) error {
	one := &recount{over: make(chan struct{})}
	c.now = one
	err := func() error {
		c.mu.Unlock()
		defer func() { // after a panic too: the caller will unlock it
			c.mu.Lock()
			c.now = nil
			close(one.over)
		}()
		return db.View(ctx, count)
	}()
	if err == nil {
		put(one.moves)
	}
	return err
}

// await returns, with the lock held, when there is no count under way.
func (c *recounts) await(ctx context.Context) error {
	for c.now != nil {
		over := c.now.over
		c.mu.Unlock()
		var err error
		select {
		case <-over:
		case <-ctx.Done():
			err = ctx.Err()
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}
