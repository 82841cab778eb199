package move

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// ErrBusy says that another move is at work in a storage.
var ErrBusy = errors.New("another tododb move is at work there; wait until it has ended, or end it")

// Times of a claim. One that was not renewed for claimGone is free.
const (
	claimEvery = time.Second
	claimGone  = 5 * time.Second
	claimLook  = 200 * time.Millisecond
)

// claim keeps other moves away from a storage until release is called. The error is ErrBusy if one that lives is
// there. What a killed one has left ends after claimGone, and is waited for. If another move comes in nevertheless,
// because the storage could not be reached for so long, the context ends with ErrBusy. A folder needs none of this:
// it has a lock.
func claim(ctx context.Context, eng engine.Engine, name string) (_ context.Context, release func(), err error) {
	c, can := eng.(engine.Claimer)
	if !can {
		return ctx, func() {}, nil
	}
	busy := fmt.Errorf("%s: %w", name, ErrBusy)
	id := rand.Text()
	for first := ""; ; {
		var other string
		err := patient(ctx, func() (err error) {
			other, err = c.Claim(ctx, id, claimGone)
			return err
		})
		if err != nil {
			return ctx, nil, err
		}
		if other == "" {
			break
		}
		if first != "" && other != first {
			return ctx, nil, busy
		}
		first = other
		select {
		case <-ctx.Done():
			return ctx, nil, ctx.Err()
		case <-time.After(claimLook):
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(claimEvery):
				// An error is of no account: what has to be reached cannot be reached by the move either.
				if other, err := c.Claim(ctx, id, claimGone); err == nil && other != "" {
					cancel(busy)
				}
			}
		}
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-ended
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), claimGone)
		defer stop()
		_ = c.Unclaim(end, id) // or it ends by itself
	}, nil
}
