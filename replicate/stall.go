package replicate

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// errStalled says that for too long nothing came from a peer and nothing went to it.
var errStalled = errors.New("the peer was silent for too long")

// watch ends a request in which nothing happens for a time.
type watch struct {
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// newWatch starts to watch. The request must use the context that it returns.
func newWatch(ctx context.Context, limit time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{limit: limit, cancel: cancel}
	w.timer = time.AfterFunc(limit, func() { cancel(errStalled) })
	return ctx, w
}

// alive tells that something happened.
func (w *watch) alive() { w.timer.Reset(w.limit) }

// over ends the watch and the request.
func (w *watch) over() {
	w.timer.Stop()
	w.cancel(nil)
}

// watchedReader reports reads to a watch. Closing an answer also ends the watch.
type watchedReader struct {
	io.Reader
	w      *watch
	ctx    context.Context
	closer io.Closer // nil: the body of a request
	once   sync.Once
}

func (r *watchedReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if n > 0 {
		r.w.alive()
	}
	if err != nil && err != io.EOF && errors.Is(context.Cause(r.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (r *watchedReader) Close() (err error) {
	if r.closer == nil {
		return nil
	}
	err = r.closer.Close()
	r.once.Do(r.w.over)
	return err
}
