package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/config"
)

// settle updates the administrators from the files and the environment while api already
// answers. Checking a password against its hash is slow on purpose, and takes a good part of
// a second. Requests without credentials need not wait for it. The returned context ends with
// ctx or when the update fails. settled waits and returns the reason.
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

// afterSettled lets requests with credentials wait until the administrators are up to date.
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
