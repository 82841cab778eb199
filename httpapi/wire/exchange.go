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

	ID    string       // X-Couch-Request-ID
	User  auth.User    // who asks, once that is known
	Path  string       // of the route that the request's path led to, as the table has it; "" until it is known
	At    Place        // where its parts are
	Rule  Rule         // of the route that answers
	Asked *store.Asked // what the database was asked before it was known who asks, or nil
	Span  trace.Span   // nil if nothing is traced

	Status int         // of the answer; 0: nothing has been sent
	Size   int64       // bytes of the answer that have been sent
	IsFeed bool        // it waits for things that have not happened yet
	IsCut  bool        // the connection was cut before the answer was whole
	Action string      // what the audit trail calls it; "": it changes nothing
	Notes  []slog.Attr // for the audit trail

	shared  *Shared
	context exchangeContext
	conn    http.ResponseController
	asked   *http.Request // as it came
	turns   *Turns        // of large queries; nil: it takes none
	stall   time.Duration // how long the client may take no byte of the answer; 0: for ever
	body    *steadyBody   // nil: there is none
	bodies  []*intake.Body
	// Room for what most exchanges have, so that it is one piece of memory.
	oneBody    [1]*intake.Body
	steady     steadyBody
	values     [4]string // of headers
	valuesUsed int
	share      intake.Share // of the memory for work
	room       intake.Share // of the same memory, for what is read
	broken     bool         // the client has gone

	callback string   // the function that JSON is passed to; "": none
	headers  []string // the only ones that the client wants; nil: all
}

// Begin begins the exchange of a request that came over a connection. Finish and LetGo end it.
func (s *Shared) Begin(w http.ResponseWriter, r *http.Request) *Exchange {
	set := s.settings()
	x := &Exchange{
		ResponseWriter: w, ID: requestID(r), shared: s, conn: *http.NewResponseController(w), asked: r,
		turns: s.turns, stall: set.AnswerStall,
	}
	x.bodies = x.oneBody[:0]
	if wantsMinimal(r) {
		x.headers = set.MinimalHeaders
	}
	return x
}

// requestIDHeader is what an answer is found by in the log. A client may choose it, and tododb
// does so to tie what a replication asks of another server to the request that began it.
const requestIDHeader = "X-Couch-Request-Id"

// requestID is the id that the client has chosen, if it looks like one, or a new one. Nothing
// may rely on it: two requests may have the same.
func requestID(r *http.Request) string {
	given := r.Header[requestIDHeader]
	if len(given) != 1 || len(given[0]) < 1 || len(given[0]) > 36 {
		return newRequestID()
	}
	for i := range len(given[0]) {
		if c := given[0][i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return newRequestID()
		}
	}
	return given[0]
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

// In puts the exchange into the context of its request. It is called once.
func (x *Exchange) In(ctx context.Context) context.Context {
	x.context = exchangeContext{ctx, x}
	return &x.context
}

// exchangeContext is the context of a request. It has all that belongs to the exchange, without a
// context for each.
type exchangeContext struct {
	context.Context
	x *Exchange
}

func (c *exchangeContext) Value(key any) any {
	switch key.(type) {
	case exchangeKey:
		return c.x
	case placeKey:
		return &c.x.At
	case store.RoomKey:
		return exchangeRoom{c.x}
	case script.AskerKey:
		return c.x.asks
	}
	return c.Context.Value(key)
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
		x.begin(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *Exchange) begin(status int) {
	x.Status = status
	x.Header()["X-Couchdb-Body-Time"] = x.body.time()
	x.body.leave()
	x.EndWork()
	if x.headers != nil {
		minimize(x.Header(), x.headers)
	}
}

func (x *Exchange) Write(b []byte) (int, error) {
	if x.Status == 0 {
		x.begin(http.StatusOK)
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
			x.sendError(x, r, &Unforeseen)
			return
		}
	}
	x.IsCut = true
	panic(http.ErrAbortHandler)
}
