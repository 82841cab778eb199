package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/config"
)

// settle sees to it, while api answers already, that the administrators are as the files
// and the environment say. Whether a password is still the one that its hash was made of
// takes a good part of a second, on purpose: what needs no credentials need not wait for
// it. The context ends with ctx or when it fails; settled waits and tells why.
func settle(ctx context.Context, api http.Handler, cfg *config.Config, out io.Writer) (_ context.Context, handler http.Handler, settled func() error) {
	ctx, fail := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := administrators(cfg, out); err != nil {
			fail(err)
		}
	}()
	return ctx, &afterSettled{api, done}, func() error {
		<-done
		defer fail(nil)
		if cause := context.Cause(ctx); ctx.Err() != nil && !errors.Is(cause, context.Canceled) {
			return cause
		}
		return nil
	}
}

// afterSettled lets requests with credentials wait until it is settled who the
// administrators are.
type afterSettled struct {
	http.Handler
	settled <-chan struct{}
}

func (a *afterSettled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || strings.HasPrefix(r.URL.Path, "/_session") {
		select {
		case <-a.settled:
		case <-r.Context().Done():
		}
	}
	a.Handler.ServeHTTP(w, r)
}
