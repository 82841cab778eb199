package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// within is a context that ends some time after somebody has begun to wait on it. As long as nobody
// does it costs no timer: most lookups find what they need in memory.
type within struct {
	context.Context // the request's
	limit           time.Duration

	once    sync.Once
	waiting atomic.Pointer[limited] // nil: nobody has waited yet
}

type limited struct {
	context.Context
	stop context.CancelFunc
}

func (w *within) begun() *limited {
	w.once.Do(func() {
		ctx, stop := context.WithTimeout(w.Context, w.limit)
		w.waiting.Store(&limited{ctx, stop})
	})
	return w.waiting.Load()
}

func (w *within) Done() <-chan struct{}       { return w.begun().Done() }
func (w *within) Err() error                  { return w.begun().Err() }
func (w *within) Deadline() (time.Time, bool) { return w.begun().Deadline() }

// Value lets contexts that are made of this one find the one that ends.
func (w *within) Value(key any) any {
	if l := w.waiting.Load(); l != nil {
		return l.Value(key)
	}
	return w.Context.Value(key)
}

// end must be called when the lookup is over.
func (w *within) end() {
	if l := w.waiting.Load(); l != nil {
		l.stop()
	}
}
