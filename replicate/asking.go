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

// RoundTrip implements http.RoundTripper.
func (a *asking) RoundTrip(req *http.Request) (*http.Response, error) {
	err := a.allowed(req)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, a.told(req.Context(), err)
	}
	resp, err := a.breakers.roundTrip(breakerKey{a.who, a.admin, req.URL.Host}, a.next, req)
	return resp, a.told(req.Context(), err)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (a *asking) CloseIdleConnections() { a.base.CloseIdleConnections() }

// unreachable says that no answer came from a peer. Only administrators are told why: others
// could learn what exists in networks that they cannot see.
type unreachable struct{ cause error }

func (e *unreachable) Error() string { return "the peer cannot be reached" }
func (e *unreachable) Unwrap() error { return e.cause }

// told returns the part of an error that the user may know.
func (a *asking) told(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNetwork): // the same for every user, whatever is at the address
		return ErrNetwork
	case a.admin:
		return err
	case errors.Is(context.Cause(ctx), errStalled):
		err = errStalled
	}
	return &unreachable{err}
}

// inFull returns the text of an error for the server's log.
func inFull(err error) string {
	if e, ok := errors.AsType[*unreachable](err); ok {
		return err.Error() + ": " + e.cause.Error()
	}
	return err.Error()
}
