package replicate

import (
	"context"
	"io"
	"time"

	"github.com/tododb/tododb/revtree"
)

// Peer is what a replication needs of either side. Its methods may be called at once
// from several goroutines; each either does all it says or gives an error, and may be
// called again.
type Peer interface {
	// Name is the database's URL or name, without credentials.
	Name() string
	// Info tells how far the database's sequence has come: ErrNoDB.
	Info(ctx context.Context) (Info, error)
	// Create makes the database; it is no error if it is there.
	Create(ctx context.Context) error
	// Changes reads the next changes. fn is called for each of them.
	Changes(ctx context.Context, q ChangesQuery, fn func(Change) error) (ChangesEnd, error)
	// Missing tells which revisions of the changes are not here.
	Missing(ctx context.Context, changes []Change) ([]Wanted, error)
	// Fetch reads revisions with their histories, and the newer ones that have taken
	// their place. fn is given each, and may keep it. What is not there any more is passed
	// over; the caller sees to it that it is really gone.
	Fetch(ctx context.Context, wanted []Wanted, fn func(r *Revision) error) error
	// Store writes revisions without attachments as they are. It returns those that were
	// refused.
	Store(ctx context.Context, revs []*Revision) ([]Refusal, error)
	// StoreAttached writes a revision and those of its attachments that are no stubs,
	// which open gives: errMissingStub where a stub stands for nothing.
	StoreAttached(ctx context.Context, r *Revision, open opener) (*Refusal, error)
	// OpenAttachment reads the bytes of an attachment of a revision that Fetch has given, as
	// they are stored.
	OpenAttachment(ctx context.Context, r *Revision, att *Attachment) (io.ReadCloser, error)
	// FilterCode is the text of a filter function: ErrNoFilter.
	FilterCode(ctx context.Context, ddoc, name string) (string, error)
	// GetLocal reads a local document, PutLocal writes it over whatever is there.
	GetLocal(ctx context.Context, id string) ([]byte, error)
	PutLocal(ctx context.Context, id string, body []byte) error
	// Close gives back what the peer holds.
	Close()
}

// Info is what a database says of itself.
type Info struct {
	UpdateSeq string
	Instance  string // another for a database that was deleted and made again; "" if it is not known
}

// ChangesQuery says which changes to read.
type ChangesQuery struct {
	Since   string // "" is the beginning
	Limit   int
	Wait    time.Duration // how long to wait for a change when there is none, 0: not at all
	Filter  Filter
	Winners bool // tell of the winner of each document alone
}

// Filter says which documents to replicate; the zero value is all.
type Filter struct {
	DocIDs   []string // nil: any
	Selector []byte   // JSON
	Name     string   // of a filter function
	Params   map[string]string
}

// all tells whether the filter lets everything through.
func (f *Filter) all() bool { return f.DocIDs == nil && f.Selector == nil && f.Name == "" }

// Change is the newest change of a document: its leaves.
type Change struct {
	Seq  string
	ID   string
	Revs []revtree.Rev
}

// ChangesEnd is where a read of changes came to its end.
type ChangesEnd struct {
	LastSeq string
	Pending int64 // changes after that, -1 if the peer did not say
	Rows    int
}

// Wanted are revisions of a document that the target lacks.
type Wanted struct {
	ID        string
	Revs      []revtree.Rev
	Ancestors []revtree.Rev // leaves of the target that could be ancestors of them
}

// Refusal is a revision that the target did not take.
type Refusal struct {
	ID     string
	Reason string
}
