package replicate

import (
	"context"
	"errors"
	"net/http"
)

// asking sends the requests of one user.
type asking struct {
	*way
	who string
}

// RoundTrip is http.RoundTripper's.
func (a *asking) RoundTrip(req *http.Request) (*http.Response, error) {
	err := a.proxied(req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, a.told(req.Context(), err)
	}
	resp, err := a.breakers.roundTrip(breakerKey{a.who, a.admin, req.URL.Host}, a.next, req)
	return resp, a.told(req.Context(), err)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections looks for.
func (a *asking) CloseIdleConnections() { a.base.CloseIdleConnections() }

// unreachable is a peer that no answer came from. Others than administrators are not told
// why: they could learn what there is in networks that they do not see.
type unreachable struct{ cause error }

func (e *unreachable) Error() string { return "the peer cannot be reached" }
func (e *unreachable) Unwrap() error { return e.cause }

// told is an error as the user may know it.
func (a *asking) told(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNetwork): // whoever it is, and whatever is there
		return ErrNetwork
	case a.admin:
		return err
	case errors.Is(context.Cause(ctx), errStalled):
		err = errStalled
	}
	return &unreachable{err}
}

// inFull is an error for the log of the server.
func inFull(err error) string {
	if e, ok := errors.AsType[*unreachable](err); ok {
		return err.Error() + ": " + e.cause.Error()
	}
	return err.Error()
}
