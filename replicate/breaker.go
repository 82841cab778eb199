package replicate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// breakAfter is how many requests in a row must fail for a host to be left alone.
	breakAfter = 5
	// breakFor is for how long; then one request tries whether it is back.
	breakFor = 5 * time.Second
)

// errResting is a host that is left alone for a while, since nothing it was asked
// lately went well. All jobs know of it, so that a thousand of them do not each find out.
type errResting struct{ host string }

func (e errResting) Error() string {
	return fmt.Sprintf("%s is left alone for %v after %d failures in a row", e.host, breakFor, breakAfter)
}

// errAway marks an answer that says nothing but that the host does not work.
var errAway = errors.New("the host does not work")

// breakers are the circuit breakers of a client, one a host.
type breakers struct {
	next http.RoundTripper

	mu sync.Mutex // guards what follows
	by map[string]*gobreaker.CircuitBreaker[*http.Response]
}

func newBreakers(next http.RoundTripper) *breakers {
	return &breakers{next: next, by: map[string]*gobreaker.CircuitBreaker[*http.Response]{}}
}

func (b *breakers) of(host string) *gobreaker.CircuitBreaker[*http.Response] {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.by[host]
	if one == nil {
		one = gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
			Name: host, Timeout: breakFor,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakAfter },
			// A request that we gave up says nothing about the host.
			IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, context.Canceled) },
		})
		b.by[host] = one
	}
	return one
}

// RoundTrip passes a request on, unless its host is left alone.
func (b *breakers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.of(req.URL.Host).Execute(func() (*http.Response, error) {
		resp, err := b.next.RoundTrip(req)
		if err == nil && away(resp.StatusCode) {
			err = errAway
		}
		return resp, err
	})
	switch {
	case errors.Is(err, errAway):
		return resp, nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, errResting{req.URL.Host}
	}
	return resp, err
}

func away(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// CloseIdleConnections is what http.Client.CloseIdleConnections looks for.
func (b *breakers) CloseIdleConnections() {
	if c, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
