package replicate

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// A peer is not silent while nobody reads its answer, nor while what is to be sent to it comes from elsewhere. It is when
// somebody waits for its bytes, or for it to take some.
func TestSilence(t *testing.T) {
	const limit, long = time.Minute, time.Hour
	for name, c := range map[string]struct {
		run  func(ctx context.Context, w *watch) error
		want time.Duration // until it is called silent
	}{
		"an answer that is used for long": {func(ctx context.Context, w *watch) error {
			in, out := io.Pipe()
			context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()) })
			answer := &watchedAnswer{ReadCloser: in, w: w, ctx: ctx}
			w.rest()
			go func() {
				for range 3 {
					time.Sleep(limit / 2)
					out.Write([]byte("x"))
				}
			}()
			for range 3 {
				if _, err := answer.Read(make([]byte, 1)); err != nil {
					return err
				}
				time.Sleep(long)
			}
			_, err := answer.Read(make([]byte, 1))
			return err
		}, limit/2 + 3*long + limit},
		"a body that comes slowly": {func(ctx context.Context, w *watch) error {
			in, out := io.Pipe()
			body := &watchedBody{Reader: in, w: w, ctx: ctx}
			go func() {
				for range 3 {
					time.Sleep(long)
					out.Write([]byte("x"))
				}
				out.Close()
			}()
			for range 3 {
				if _, err := body.Read(make([]byte, 1)); err != nil {
					return err
				}
				time.Sleep(limit / 2) // the peer takes it
			}
			if _, err := body.Read(make([]byte, 1)); err != io.EOF {
				return err
			}
			<-ctx.Done() // it does not answer
			return context.Cause(ctx)
		}, 3*long + limit/2 + limit},
		"a body that nobody takes": {func(ctx context.Context, w *watch) error {
			in, out := io.Pipe()
			go out.Write([]byte("x"))
			if _, err := (&watchedBody{Reader: in, w: w, ctx: ctx}).Read(make([]byte, 1)); err != nil {
				return err
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}, limit},
		"no answer": {func(ctx context.Context, w *watch) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, limit},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, w := newWatch(t.Context(), limit)
			defer w.over()
			began := time.Now()
			err := c.run(ctx, w)
			if took := time.Since(began); !errors.Is(err, errStalled) || took != c.want {
				t.Errorf("%s: %v after %v, want %v after %v", name, err, took, errStalled, c.want)
			}
		})
	}
}
