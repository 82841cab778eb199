package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/intake"
)

// exchange is one request and its answer: who asks, and what has been sent so far.
// It is the ResponseWriter that handlers get, and it hangs on the request's context.
type exchange struct {
	http.ResponseWriter
	conn    *http.ResponseController
	stall   time.Duration // how long the client may take nothing of the answer; 0: for ever
	bodies  []*intake.Body
	share   intake.Share // of the memory for work
	room    intake.Share // of the same, for what is read
	spool   *intake.Spool
	turns   *turns      // of large queries
	body    *steadyBody // nil: there is none, or it may stall for ever
	id      string      // X-Couch-Request-ID
	user    auth.User
	asked   *http.Request // as it came; nil in this process
	proxies proxies       // whom it may have come through
	once    *idempotency  // of a write; nil: it may be repeated
	status  int           // 0: nothing has been sent
	from    string        // the id of the request at another server that led to this one
	span    trace.Span    // nil if nothing is traced
	notes   []slog.Attr   // for the audit trail
	size    int64
	broken  bool // the client has gone
	feed    bool // it waits for what has not happened yet
	cut     bool // the connection was cut before the answer was whole
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
		x.body.leave()
		x.answers()
	}
	x.ResponseWriter.WriteHeader(status)
}

// answers gives back the memory for work: a client that is slow to take the answer keeps
// nobody waiting.
func (x *exchange) answers() { x.share.Release() }

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
		x.body.leave()
		x.answers()
	}
	lift := x.deadline(len(b))
	n, err := x.ResponseWriter.Write(b)
	lift()
	x.size += int64(n)
	x.broken = x.broken || err != nil
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// FlushError sends what is in buffers: http.ResponseController looks for it.
func (x *exchange) FlushError() error {
	lift := x.deadline(unsent)
	defer lift()
	err := x.conn.Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	x.broken = x.broken || err != nil
	return err
}

// Flush is there for those who look for an http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() } // the next write tells of a broken connection
