package script

import (
	"context"
	"errors"
)

// ErrClosed says that the functions of the host run no more: it has been closed.
var ErrClosed = errors.New("script: closed")

type askerKey struct{}

// WithAsker says on whose behalf functions are called: those who wait for what functions run
// in have their turns by that too. who, which is asked when somebody has to wait, gives any
// name, the same for the same one.
func WithAsker(ctx context.Context, who func() string) context.Context {
	return context.WithValue(ctx, askerKey{}, who)
}

// Asker is what WithAsker said; "" if nothing.
func Asker(ctx context.Context) string {
	if who, ok := ctx.Value(askerKey{}).(func() string); ok {
		return who()
	}
	return ""
}

// Host is where functions of design documents run: in worker processes, or, by InProcess,
// in this one. What it gives may be used by any number of goroutines at once. All calls end
// with their context.
//
// Owner names whose functions they are, a database: owners have equal shares of what
// there is to run functions in.
type Host interface {
	// Functions are those of a design document that are called one at a time; body is the
	// whole document, a JSON object, which is not to be changed any more.
	Functions(owner string, body []byte) Runner
	// Views are the functions of views; lib is the design document's views.lib, a JSON
	// object, or nil.
	Views(owner string, views []ViewFunctions, lib []byte) ViewRunner
}

// Runner calls functions of a design document. Documents, requests and the like are JSON;
// nil stands for none. Errors of functions are *Error.
type Runner interface {
	// Validate asks validate_doc_update.
	Validate(ctx context.Context, newDoc, oldDoc, userCtx, secObj []byte) error
	// Filter finds a filter function, req being what it is asked with.
	Filter(ctx context.Context, name string, req []byte) (Matcher, error)
	// ViewFilter makes a filter of a map function: a document passes for which it emits.
	ViewFilter(ctx context.Context, view string) (Matcher, error)
	// Update calls an update function. What it returns to be written is nil for nothing.
	Update(ctx context.Context, name string, doc, req []byte) (write []byte, resp Response, err error)
	// Show calls a show function.
	Show(ctx context.Context, name string, doc, req []byte) (Response, error)
	// Rewrite calls rewrites where it is a function; what it returns is JSON.
	Rewrite(ctx context.Context, req []byte) ([]byte, error)
	// List calls a list function over rows.
	List(ctx context.Context, call ListCall, rows RowReader, out ListWriter) error
}

// ListCall says which list function is called, and with what.
type ListCall struct {
	Name string
	Head []byte // what CouchDB gives of the view
	Req  []byte
}

// Matcher judges documents for a feed. It is one goroutine's.
type Matcher interface {
	// Match tells whether a document passes. What counts is whether the result is truthy. A
	// map function that throws lets nothing pass; a filter that throws is an error.
	Match(ctx context.Context, doc []byte) (bool, error)
	// MatchAll judges several documents at once, up to one with which it fails: pass is of
	// those before it.
	MatchAll(ctx context.Context, docs [][]byte) (pass []bool, err error)
	// Release lets others have what the function runs in; the next Match takes one again.
	Release()
}

// ViewRunner calls the functions of views. Compilation errors come with the first call.
type ViewRunner interface {
	// Check tells whether all functions compile: *Error of kind Compilation.
	Check(ctx context.Context) error
	// Map gives documents, JSON with _id and _rev, to the map functions and hands on what
	// they emit, in the order of docs: doc and view are numbers, key and value JSON, and
	// order the key in the order of the view, nil where that is left to the caller; all are
	// good until emit returns. A function that throws emits nothing for the document. Map
	// fails where a function throws a fatal error or has to be stopped.
	Map(ctx context.Context, docs [][]byte, emit func(doc, view int, order, key, value []byte) error) error
	// Reduce runs the reduce function of a view for several reductions at once; the results
	// are theirs by number. A function that throws makes null.
	Reduce(ctx context.Context, view int, all []Reduction) ([]Reduced, error)
}

// Reduction is what a reduce function is to make one value of: of what rows were reduced
// to, and of runs of rows between that, which are reduced first.
type Reduction struct {
	// Parts are JSON; nil stands for the next of Runs.
	Parts [][]byte
	Runs  []Rows
	// Final has the function rereduce even what is one part.
	Final bool
}

// Rows are given to a reduce function at once: as many values, JSON, as keys.
type Rows struct {
	Keys   []ReduceKey
	Values [][]byte
}

// Reduced is a value as JSON, or why there is none: a result that does not shrink
// (reduce_overflow_error), a fatal error that was thrown.
type Reduced struct {
	Value []byte
	Err   *Error
}
