package replicate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/sony/gobreaker/v2"
)

const (
	// breakAfter is how many requests in a row must fail before a host is left alone.
	breakAfter = 5
	// breakFor is how long it is left alone. Then one request finds out whether it is back.
	breakFor = 5 * time.Second
	// maxBreakers is how many failing hosts are remembered. The failures of a forgotten host
	// are counted again from zero.
	maxBreakers = 4096
)

// errResting says that a host is left alone for a while, because its latest requests all
// failed. All jobs of a user share this, so a thousand of them do not each have to find out.
type errResting struct {
	host  string
	cause error // the last failure
}

func (e *errResting) Error() string {
	return fmt.Sprintf("%v; %s is left alone for %v after %d failures in a row", e.cause, e.host, breakFor, breakAfter)
}

func (e *errResting) Unwrap() error { return e.cause }

// errAway marks an answer that says only that the host does not work.
type errAway struct{ status int }

func (e errAway) Error() string { return fmt.Sprintf("status %d", e.status) }

// errStayed marks a failure that says nothing about the host: the request was cancelled, or
// never left this process.
type errStayed struct{ error }

// breakers are circuit breakers, one for each user and host that fails them. Users do not
// share breakers, because their requests may differ.
type breakers struct {
	mu sync.Mutex // guards by
	by *simplelru.LRU[breakerKey, *breaker]
}

type breakerKey struct {
	who   string
	admin bool
	host  string
}

// breaker is a circuit breaker and what tripped it.
type breaker struct {
	*gobreaker.CircuitBreaker[*http.Response]
	cause atomic.Pointer[error]
}

func newBreakers() *breakers {
	by, _ := simplelru.NewLRU[breakerKey, *breaker](maxBreakers, nil) // it fails only for a size below 1
	return &breakers{by: by}
}

func (b *breakers) of(key breakerKey) *breaker {
	b.mu.Lock()
	defer b.mu.Unlock()
	one, known := b.by.Get(key)
	if !known {
		one = &breaker{CircuitBreaker: gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
			Name: key.host, Timeout: breakFor,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakAfter },
			IsExcluded:  func(err error) bool { _, stayed := errors.AsType[errStayed](err); return stayed },
		})}
		b.by.Add(key, one)
	}
	return one
}

// well forgets a breaker that has nothing to remember.
func (b *breakers) well(key breakerKey, one *breaker) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now, _ := b.by.Peek(key); now == one && one.State() == gobreaker.StateClosed && one.Counts().ConsecutiveFailures == 0 {
		b.by.Remove(key)
	}
}

// roundTrip passes a request on, unless its host is left alone.
func (b *breakers) roundTrip(key breakerKey, next http.RoundTripper, req *http.Request) (*http.Response, error) {
	one := b.of(key)
	defer b.well(key, one)
	resp, err := one.Execute(func() (*http.Response, error) {
		resp, err := watchedRoundTrip(next, req)
		if err == nil && away(resp.StatusCode) {
			err = errAway{resp.StatusCode}
		}
		if _, stayed := errors.AsType[errStayed](err); err != nil && !stayed {
			one.cause.Store(&err)
		}
		return resp, err
	})
	if _, is := errors.AsType[errAway](err); is {
		return resp, nil
	}
	if stayed, is := errors.AsType[errStayed](err); is {
		return nil, stayed.error
	}
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		if req.Body != nil {
			req.Body.Close()
		}
		if cause := one.cause.Load(); cause != nil {
			err = *cause
		}
		return nil, &errResting{key.host, err}
	}
	return resp, err
}

// watchedRoundTrip marks failures that say nothing about the host as errStayed.
func watchedRoundTrip(next http.RoundTripper, req *http.Request) (*http.Response, error) {
	var left atomic.Bool
	trace := &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { left.Store(true) },
		ConnectStart: func(string, string) { left.Store(true) },
		GotConn:      func(httptrace.GotConnInfo) { left.Store(true) },
	}
	resp, err := next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil && (!left.Load() || errors.Is(err, context.Canceled) || errors.Is(err, ErrNetwork)) {
		err = errStayed{err}
	}
	return resp, err
}

func away(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
