package replicate

import (
	"context"
	"sync"
	"time"
)

// askEvery is how long a job may go on after its user has lost the right to it.
const askEvery = 10 * time.Second

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
	if err := m.opt.Allowed(ctx, req.User); err != nil {
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
			if err := m.opt.Allowed(running, req.User); err != nil {
				cancel(err)
				return
			}
		}
	})
	result, err := m.runLeased(running, t, job)
	if err != nil && running.Err() != nil && ctx.Err() == nil {
		err = context.Cause(running) // why the run was ended
	}
	cancel(nil)
	asks.Wait()
	return result, err
}
