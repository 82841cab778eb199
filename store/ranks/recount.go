package ranks

import (
	"context"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// recounts has counts of a database made without anybody waiting for a lock meanwhile:
// it is scanned in a snapshot of its own, and what is committed from before the snapshot on
// is noted, to be added when the scan is over. Counts know the sequence that they are of,
// so what the snapshot has already is not added twice.
type recounts struct {
	mu  sync.Mutex // guards what follows, and what is counted; no I/O under it
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

// run counts, and has the counts put in their place: moves are those that they may lack.
// It is called with the lock held, which it lets go of meanwhile, and when no other count
// is under way.
func (c *recounts) run(ctx context.Context, db Database, count func(engine.Reader) error, put func(moves []Move)) error {
	one := &recount{over: make(chan struct{})}
	c.now = one
	err := func() error {
		c.mu.Unlock()
		defer func() { // also of a panic: whoever unlocks next has to find it locked
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
