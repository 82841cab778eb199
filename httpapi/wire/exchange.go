package wire

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/intake"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

// Exchange is one request and its answer: who asks, and what has been sent so far. It is the
// ResponseWriter that handlers get, and it is in the request's context.
type Exchange struct {
	http.ResponseWriter

	ID   string     // X-Couch-Request-ID
	From string     // the id of the request at another server that led to this one
	User auth.User  // who asks, once that is known
	Path string     // of the route that the request's path led to, as the table has it; "" until it is known
	Rule Rule       // of the route that answers
	Span trace.Span // nil if nothing is traced

	Status int         // of the answer; 0: nothing has been sent
	Size   int64       // bytes of the answer that have been sent
	IsFeed bool        // it waits for things that have not happened yet
	IsCut  bool        // the connection was cut before the answer was whole
	Action string      // what the audit trail calls it; "": it changes nothing
	Notes  []slog.Attr // for the audit trail

	shared *Shared
	conn   *http.ResponseController
	asked  *http.Request // as it came; nil if this process asks itself
	turns  *Turns        // of large queries; nil: it takes none
	stall  time.Duration // how long the client may take no byte of the answer; 0: for ever
	body   *steadyBody   // nil: there is none, or it may stall for ever
	bodies []*intake.Body
	share  intake.Share // of the memory for work
	room   intake.Share // of the same memory, for what is read
	broken bool         // the client has gone

	callback string // the function that JSON is passed to; "": none
}

// Begin begins the exchange of a request that came over a connection. Finish and LetGo end it.
func (s *Shared) Begin(w http.ResponseWriter, r *http.Request) *Exchange {
	set := s.settings()
	x := s.BeginInner(w)
	x.asked, x.From, x.turns, x.stall = r, cameFrom(r), s.turns, set.AnswerStall
	return x
}

// BeginInner begins an exchange that this process has with itself.
func (s *Shared) BeginInner(w http.ResponseWriter) *Exchange {
	return &Exchange{ResponseWriter: w, conn: http.NewResponseController(w), ID: newRequestID(), shared: s}
}

// newRequestID makes ten hex digits that tie an answer to its line in the log. They need not
// be hard to guess.
func newRequestID() string {
	const hexDigits = "0123456789abcdef"
	n := rand.Uint64()
	var b [10]byte
	for i := range b {
		b[i] = hexDigits[n&15]
		n >>= 4
	}
	return string(b[:])
}

type exchangeKey struct{}

// ExchangeOf returns the exchange of a request.
func ExchangeOf(r *http.Request) *Exchange { return ExchangeIn(r.Context()) }

// ExchangeIn returns the exchange in a context; nil if there is none.
func ExchangeIn(ctx context.Context) *Exchange {
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	return x
}

// In puts the exchange into the context of its request.
func (x *Exchange) In(ctx context.Context) context.Context {
	if x.asked == nil {
		return context.WithValue(ctx, exchangeKey{}, x)
	}
	ctx = context.WithValue(store.WithRoom(ctx, exchangeRoom{x}), exchangeKey{}, x)
	return script.WithAsker(ctx, func() string { return x.asker(x.asked) })
}

// UserOf tells who asks.
func UserOf(r *http.Request) auth.User {
	if x := ExchangeOf(r); x != nil {
		return x.User
	}
	return auth.User{}
}

// begun tells whether the status has been sent and can no longer change.
func (x *Exchange) begun() bool { return x.Status != 0 }

func (x *Exchange) WriteHeader(status int) {
	if status >= 200 && x.Status == 0 {
		x.Status = status
		x.body.leave()
		x.EndWork()
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *Exchange) Write(b []byte) (int, error) {
	if x.Status == 0 {
		x.Status = http.StatusOK
		x.body.leave()
		x.EndWork()
	}
	lift := x.deadline(len(b))
	n, err := x.ResponseWriter.Write(b)
	lift()
	x.Size += int64(n)
	x.broken = x.broken || err != nil
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *Exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// FlushError sends what is in buffers. http.ResponseController calls it.
func (x *Exchange) FlushError() error {
	lift := x.deadline(unsent)
	defer lift()
	err := x.conn.Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	x.broken = x.broken || err != nil
	return err
}

// Flush implements http.Flusher.
func (x *Exchange) Flush() { _ = x.FlushError() } // the next write reports a broken connection

// Recover must be deferred. It turns a panic into a 500, or cuts the connection if the answer
// has begun.
func (x *Exchange) Recover(r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause != any(http.ErrAbortHandler) {
		x.shared.opt.Log.ErrorContext(r.Context(), "panic", "request", x.ID, "method", r.Method, "path", r.URL.EscapedPath(), "cause", cause, "stack", string(debug.Stack()))
		if !x.begun() {
			x.sendError(x, r, http.StatusInternalServerError, errUnforeseen)
			return
		}
	}
	x.IsCut = true
	panic(http.ErrAbortHandler)
}
