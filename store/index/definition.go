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
	// Signature names the index: a digest of everything that its rows depend on, in characters
	// fit for a file name. Definitions with the same signature share an index.
	Signature string
	// Label is what _active_tasks shows: the design document's id.
	Label string
	// Views by number.
	Views []View
	// IncludeDesign maps design documents too.
	IncludeDesign bool
	// Partitioned makes the keys of rows begin with the partition of their document
	// (document.Partition), so that the rows of a partition are a range: see Range.In. Documents
	// in no partition, such as design documents, have no rows.
	Partitioned bool
	// IncludeDeleted maps deleted documents too.
	IncludeDeleted bool
	// Changes also keeps entries by sequence, for Index.Changes.
	Changes bool
	// NewMapper makes a mapper for one goroutine. It is called only if there is something to
	// map.
	NewMapper func() (Mapper, error)
}

// View is one set of rows.
type View struct {
	Order collate.Order
	// NewReducer makes a reducer for one goroutine; its calls end with ctx. nil: the view has
	// no reduce.
	NewReducer func(ctx context.Context) (Reducer, error)
	// Check, if not nil, judges the value of each row; its error ends the build. It may be
	// called by several goroutines at once.
	Check func(value []byte) error
}

// Mapper turns documents into rows. It is used by one goroutine at a time.
type Mapper interface {
	// Map calls emit for each row of a document. It is given deleted documents only with
	// Definition.IncludeDeleted. Key and value are JSON, copied before emit returns; doc and
	// its bytes are valid during the call. An error ends the build and goes to those who wait
	// for the index. ctx ends with the build: a mapper that takes long over one document
	// checks it.
	Map(ctx context.Context, doc *store.Document, emit func(view int, key, value []byte) error) error
	// Close releases the mapper.
	Close()
}

// BatchMapper is a Mapper that prefers many documents at once, because each call to it is
// expensive.
type BatchMapper interface {
	Mapper
	// MapBatch does for several documents what Map does for one. It calls emit for their rows
	// in the order of docs; doc is the document's index in docs. order is the key in the order
	// of the view, or nil to leave that to the caller. It ends with ctx.
	MapBatch(ctx context.Context, docs []*store.Document, emit func(doc, view int, order, key, value []byte) error) error
}

// Reducer gathers rows and partial results of other rows. One goroutine uses it at a time;
// Reset makes it empty.
type Reducer interface {
	Reset()
	// Add takes in a row; it must not keep the slices.
	Add(key, id, value []byte) error
	// Merge takes in the output of AppendPartial for other rows; it must not keep p.
	Merge(p []byte) error
	// AppendPartial appends the partial result so far, in the reducer's own form, which is
	// kept on disk.
	AppendPartial(dst []byte) ([]byte, error)
	// AppendResult appends the result so far as JSON. A *ReduceError is an error to show in
	// place of a result.
	AppendResult(dst []byte) ([]byte, error)
	// Close releases the reducer.
	Close()
}

// BatchReducer is a Reducer that prefers to compute many results at once, because each
// computation is expensive.
type BatchReducer interface {
	Reducer
	// Take returns what was gathered and its approximate size in bytes, and makes the reducer
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

// ReduceError is an error that an answer shows in the row of the group that has it.
type ReduceError struct{ Name, Reason string }

func (e *ReduceError) Error() string { return e.Name + ": " + e.Reason }

var (
	// ErrClosed says that the index, its database or the manager is closed.
	ErrClosed = errors.New("index: closed")
	// ErrTooManyViews says that a definition has more than MaxViews.
	ErrTooManyViews = errors.New("index: too many views")
	// ErrNoRoom says that the disk is too full to bring an index up to date (Options.NoRoom).
	ErrNoRoom = errors.New("index: the disk is nearly full")
	// ErrTooManyRows says that a document with a long id has so many rows that its id takes more
	// than 64 MiB in them, or that its long keys take more than 32 MiB, collated.
	ErrTooManyRows = errors.New("index: too many rows with a long id or long keys")
	// ErrRenewed says that the index was damaged, or lacked what it needs to follow its
	// database, and is being rebuilt: ask again.
	ErrRenewed = errors.New("index: rebuilt while it was read")
	// ErrCorrupt says that the data on disk was not written by this package.
	ErrCorrupt = errors.New("index: damaged")
)
