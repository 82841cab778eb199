package httpapi

import (
	"context"
	"net/http"

	"github.com/tododb/tododb/httpapi/auth"
)

// exchange is one request and its answer: who asks, and what has been sent so far.
// It is the ResponseWriter that handlers get, and it hangs on the request's context.
type exchange struct {
	http.ResponseWriter
	id     string // X-Couch-Request-ID
	user   auth.User
	once   *idempotency // of a write; nil: it may be repeated
	status int          // 0: nothing has been sent
	size   int64
	broken bool // the client has gone
	cut    bool // the connection was cut before the answer was whole
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

func (x *exchange) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// begun tells that the status is on its way and cannot be changed any more.
func (x *exchange) begun() bool { return x.status != 0 }

func (x *exchange) WriteHeader(status int) {
	if status >= 200 && x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(b)
	x.size += int64(n)
	x.broken = x.broken || err != nil
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Flush is there for those who look for an http.Flusher.
func (x *exchange) Flush() {
	_ = http.NewResponseController(x.ResponseWriter).Flush() // the next write tells of a broken connection
}
