package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// askEvery is how long a job may go on after its user has lost the right to it.
const askEvery = 10 * time.Second

// errNoAccount ends a job for good: no account will ever be the one that asked for it.
var errNoAccount = fmt.Errorf("%w: the account that this runs for is not there any more, or has another password", ErrUnauthorized)

// allowed tells whether a user may still have their jobs.
func (m *Manager) allowed(ctx context.Context, user User) error {
	err := m.opt.Allowed(ctx, user)
	if errors.Is(err, ErrUnauthorized) {
		return errNoAccount
	}
	return err
}

// runAllowed runs a job for as long as its user may have it.
func (m *Manager) runAllowed(ctx context.Context, t *task, job *Job) (Result, error) {
	req := &t.req
	// Check again: a former administrator may have asked for the job.
	if err := m.MaySend(&req.Spec, req.by()); err != nil {
		return Result{}, err
	}
	if m.opt.Allowed == nil || !req.User.Account {
		return m.runLeased(ctx, t, job)
	}
	if err := m.allowed(ctx, req.User); err != nil {
		return Result{}, err
	}
	running, cancel := context.WithCancelCause(ctx)
	var asks sync.WaitGroup
	asks.Go(func() {
		tick := time.NewTicker(m.askEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-running.Done():
				return
			}
			if err := m.allowed(running, req.User); err != nil {
				cancel(err)
				return
			}
		}
	})
	result, err := m.runLeased(running, t, job)
	switch {
	case err == nil || ctx.Err() != nil:
	case running.Err() != nil:
		err = context.Cause(running) // why the run was ended
	default: // a database of this server may have found out first
		if gone := m.allowed(ctx, req.User); errors.Is(gone, errNoAccount) {
			err = gone
		}
	}
	cancel(nil)
	asks.Wait()
	return result, err
}
