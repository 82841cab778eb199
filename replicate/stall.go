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

// alive begins to wait for the peer, from now.
func (w *watch) alive() { w.timer.Reset(w.limit) }

// rest stops waiting: what happens next is not the peer's, and may take its time.
func (w *watch) rest() { w.timer.Stop() }

// over ends the watch and the request.
func (w *watch) over() {
	w.timer.Stop()
	w.cancel(nil)
}

// watchedAnswer is the body of an answer. The peer has to send while somebody reads, and not while what was read is
// used: another peer may be slow to take it. Closing it also ends the watch.
type watchedAnswer struct {
	io.ReadCloser
	w    *watch
	ctx  context.Context
	once sync.Once
}

func (r *watchedAnswer) Read(b []byte) (int, error) {
	r.w.alive()
	n, err := r.ReadCloser.Read(b)
	r.w.rest()
	return n, stalled(r.ctx, err)
}

func (r *watchedAnswer) Close() error {
	err := r.ReadCloser.Close()
	r.once.Do(r.w.over)
	return err
}

// watchedBody is the body of a request. The peer has to take what was read from it, and is not to blame while the next
// bytes are waited for.
type watchedBody struct {
	io.Reader
	w   *watch
	ctx context.Context
}

func (r *watchedBody) Read(b []byte) (int, error) {
	r.w.rest()
	n, err := r.Reader.Read(b)
	r.w.alive()
	return n, stalled(r.ctx, err)
}

// stalled is the error of a read, or why its request was ended.
func stalled(ctx context.Context, err error) error {
	if err != nil && err != io.EOF && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}
