package index

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
)

// MaxViews is how many views an index may have.
const MaxViews = 250

// Definition says what an index holds.
type Definition struct {
	// Signature names the index: a digest, in characters fit for a file name, of all that
	// its rows depend on. Definitions that agree in it share an index.
	Signature string
	// Label is what _active_tasks shows: the design document's id.
	Label string
	// Views by number.
	Views []View
	// IncludeDesign has design documents mapped too.
	IncludeDesign bool
	// IncludeDeleted has deleted documents mapped too.
	IncludeDeleted bool
	// Changes keeps the entries by sequence too, for Index.Changes.
	Changes bool
	// NewMapper makes a mapper for one goroutine. It is called only when there is
	// something to map.
	NewMapper func() (Mapper, error)
}

// View is one set of rows.
type View struct {
	Order collate.Order
	// NewReducer makes a reducer for one goroutine, whose calls end with ctx; nil: there is
	// nothing to reduce.
	NewReducer func(ctx context.Context) (Reducer, error)
	// Check, if not nil, judges the value of each row; its error ends the build. It may be
	// called by several goroutines at once.
	Check func(value []byte) error
}

// Mapper turns documents into rows. It is used by one goroutine at a time.
type Mapper interface {
	// Map calls emit for each row of a document, deleted ones only with
	// Definition.IncludeDeleted. Key and value are
	// JSON, copied before emit returns; doc and its bytes are good during the call. An
	// error ends the build and is what those who wait for the index get. ctx ends with the
	// build: a mapper that takes long over one document looks at it.
	Map(ctx context.Context, doc *store.Document, emit func(view int, key, value []byte) error) error
	// Close gives the mapper back.
	Close()
}

// BatchMapper is a Mapper that would rather be given many documents at once: to call it
// has a price of its own.
type BatchMapper interface {
	Mapper
	// MapBatch does for several documents what Map does for one. emit is called for their
	// rows in the order of docs, doc being the number of the document there; order is the
	// key in the order of the view, or nil if that is left to the caller. It ends with ctx.
	MapBatch(ctx context.Context, docs []*store.Document, emit func(doc, view int, order, key, value []byte) error) error
}

// Reducer gathers rows and what other rows were reduced to. It is used by one goroutine
// at a time; Reset makes it empty.
type Reducer interface {
	Reset()
	// Add takes a row in; the slices may not be kept.
	Add(key, id, value []byte) error
	// Merge takes in what AppendPartial gave for other rows; p may not be kept.
	Merge(p []byte) error
	// AppendPartial appends what has gathered, in a form of the reducer's own that is
	// kept on disk.
	AppendPartial(dst []byte) ([]byte, error)
	// AppendResult appends what has gathered as JSON. A *ReduceError stands for an error
	// that is shown in place of a result.
	AppendResult(dst []byte) ([]byte, error)
	// Close gives the reducer back.
	Close()
}

// BatchReducer is a Reducer that would rather be asked for many answers at once: to ask has
// a price of its own.
type BatchReducer interface {
	Reducer
	// Take gives what has gathered, and about how many bytes that is, and makes the reducer
	// empty.
	Take() (gathered any, size int)
	// Partials is AppendPartial for what was taken.
	Partials(all []any) ([][]byte, error)
	// Results is AppendResult for what was taken.
	Results(all []any) ([]Reduced, error)
}

// Reduced is a value as JSON, or the error that an answer shows in its place.
type Reduced struct {
	Value []byte
	Err   *ReduceError
}

// ReduceError is an error that an answer shows in the row of the group it struck.
type ReduceError struct{ Name, Reason string }

func (e *ReduceError) Error() string { return e.Name + ": " + e.Reason }

var (
	// ErrClosed says that the index, its database or the manager has been closed.
	ErrClosed = errors.New("index: closed")
	// ErrTooManyViews says that a definition has more than MaxViews.
	ErrTooManyViews = errors.New("index: too many views")
	// ErrRenewed says that the index was damaged, or lacked what it needs to follow, and is
	// being made anew: ask again.
	ErrRenewed = errors.New("index: rebuilt while it was read")
	// ErrCorrupt says that what is on disk is not what this package writes.
	ErrCorrupt = errors.New("index: damaged")
)
