package replicate

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/tododb/tododb/store"
)

const (
	firstWait = 250 * time.Millisecond
	maxWait   = time.Minute
	maxAsked  = 10 * time.Minute // how long a peer may ask us to wait
)

// retry calls fn until it succeeds or there is no hope. Between tries it waits longer and
// longer, or as long as the peer asks. A patient job never gives up.
func (j *Job) retry(ctx context.Context, p Peer, fn func() error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = firstWait, maxWait
	for try := 0; ; try++ {
		err := fn()
		if err == nil {
			j.recovered()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s, ok := errors.AsType[stop](err); ok {
			return s.error
		}
		if !transient(err) || j.awaited && errors.Is(err, store.ErrUnavailable) || !j.patient && try >= j.spec.Retries {
			return &PeerError{Peer: p.Name(), Err: err}
		}
		pause := wait.NextBackOff()
		if s, ok := errors.AsType[*StatusError](err); ok && s.RetryAfter > pause {
			pause = min(s.RetryAfter, maxAsked)
		}
		if _, resting := errors.AsType[*errResting](err); resting {
			pause = max(pause, breakFor+rand.N(breakFor/10))
		}
		j.troubled(err)
		j.log.Warn("a peer failed; trying again", "peer", p.Name(), "error", inFull(err), "wait", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
