package script

import (
	"context"
	"errors"
)

// ErrClosed says that the host is closed and runs no more functions.
var ErrClosed = errors.New("script: closed")

// AskerKey is the key under which a context has what WithAsker puts there, a func() string.
type AskerKey struct{}

// WithAsker says on whose behalf functions are called; callers waiting for a free process take
// turns by this too. who is called only when somebody has to wait. It returns any name, always
// the same for the same person.
func WithAsker(ctx context.Context, who func() string) context.Context {
	return context.WithValue(ctx, AskerKey{}, who)
}

// Asker is the name that WithAsker set; "" if none.
func Asker(ctx context.Context) string {
	if who, ok := ctx.Value(AskerKey{}).(func() string); ok {
		return who()
	}
	return ""
}

// Host is where functions of design documents run: in worker processes or, with InProcess, in
// this one. Its Runners may be used by any number of goroutines at once. All calls end with
// their context.
//
// Owner says whose functions they are: it names a database. Owners have equal shares of the
// means to run functions.
type Host interface {
	// Functions returns the functions of a design document that are called one at a time. body
	// is the whole document, a JSON object; the caller no longer changes it.
	Functions(owner string, body []byte) Runner
	// Views returns the functions of views; lib is the design document's views.lib, a JSON
	// object, or nil.
	Views(owner string, views []ViewFunctions, lib []byte) ViewRunner
	// Renew has later calls run in new processes; those under way go on. InProcess has none.
	Renew()
}

// Runner calls functions of a design document. Documents, requests and the like are JSON; nil
// means none. Errors of functions are *Error.
type Runner interface {
	// Validate calls validate_doc_update.
	Validate(ctx context.Context, newDoc, oldDoc, userCtx, secObj []byte) error
	// Filter finds a filter function; req is its request.
	Filter(ctx context.Context, name string, req []byte) (Matcher, error)
	// ViewFilter makes a filter of a map function: a document passes if the function emits for
	// it.
	ViewFilter(ctx context.Context, view string) (Matcher, error)
	// Update calls an update function. write is the document to be written, nil for none.
	Update(ctx context.Context, name string, doc, req []byte) (write []byte, resp Response, err error)
	// Show calls a show function.
	Show(ctx context.Context, name string, doc, req []byte) (Response, error)
	// Rewrite calls rewrites if it is a function; the result is JSON.
	Rewrite(ctx context.Context, req []byte) ([]byte, error)
	// List calls a list function over rows.
	List(ctx context.Context, call ListCall, rows RowReader, out ListWriter) error
}

// ListCall says which list function is called, and with what.
type ListCall struct {
	Name string
	Head []byte // the view's head, as CouchDB gives it
	Req  []byte
}

// Matcher judges documents for a feed. Only one goroutine uses it.
type Matcher interface {
	// Match reports whether a document passes: whether the function's result is truthy. If a
	// map function throws, the document does not pass; if a filter throws, that is an error.
	Match(ctx context.Context, doc []byte) (bool, error)
	// MatchAll judges several documents at once, up to one that fails: pass is for those
	// before it.
	MatchAll(ctx context.Context, docs [][]byte) (pass []bool, err error)
	// Release frees the function's process for others; the next Match takes one again.
	Release()
}

// ViewRunner calls the functions of views. Compilation errors come with the first call.
type ViewRunner interface {
	// Check compiles all functions. The error is an *Error of kind Compilation.
	Check(ctx context.Context) error
	// Map runs the map functions on documents, JSON with _id and _rev, and passes on what they
	// emit, in the order of docs. doc and view are indexes, key and value are JSON. order is
	// the key in the order of the view, nil to leave that to the caller. All are valid until
	// emit returns. A function that throws emits nothing for the document. Map fails if a
	// function throws a fatal error or has to be stopped.
	Map(ctx context.Context, docs [][]byte, emit func(doc, view int, order, key, value []byte) error) error
	// Reduce runs the reduce function of a view for several reductions at once and returns
	// their results in order. A function that throws gives null.
	Reduce(ctx context.Context, view int, all []Reduction) ([]Reduced, error)
}

// Reduction is what to reduce to one value: partial results, and between them runs of rows,
// which are reduced first.
type Reduction struct {
	// Parts are JSON; nil stands for the next of Runs.
	Parts [][]byte
	Runs  []Rows
	// Final makes the function rereduce even a single part.
	Final bool
}

// Rows are given to a reduce function in one call: as many values, as JSON, as keys.
type Rows struct {
	Keys   []ReduceKey
	Values [][]byte
}

// Reduced is a value as JSON, or why there is none: the result does not shrink
// (reduce_overflow_error), or a fatal error was thrown.
type Reduced struct {
	Value []byte
	Err   *Error
}
