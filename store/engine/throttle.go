package engine

import "context"

// Throttle slows long work in the background down, so that whoever waits for an answer gets
// theirs. A context may carry one (WithThrottle): Compact and Packed heed it.
type Throttle interface {
	// Wait is called after so many bytes were read or written, and returns when the work may go
	// on. Its error ends the work.
	Wait(ctx context.Context, bytes int) error
}

type throttleKey struct{}

// WithThrottle makes long work with the context heed a throttle.
func WithThrottle(ctx context.Context, t Throttle) context.Context {
	return context.WithValue(ctx, throttleKey{}, t)
}

// Throttled waits as the throttle of ctx says, if it has one. The caller holds nothing that
// others wait for.
func Throttled(ctx context.Context, bytes int) error {
	if t, ok := ctx.Value(throttleKey{}).(Throttle); ok {
		return t.Wait(ctx, bytes)
	}
	return nil
}
