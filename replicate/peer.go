package replicate

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/tododb/tododb/revtree"
)

// Peer is what a replication needs from each side. Its methods may be called from several
// goroutines at once. Each does all that it says or returns an error, and may then be
// called again.
type Peer interface {
	// Name is the database's URL or name, without credentials.
	Name() string
	// Info returns the database's current sequence, or ErrNoDB.
	Info(ctx context.Context) (Info, error)
	// Holds tells whether the database still has all that it had when it gave a sequence. false: it
	// has been put back or made anew, or cannot tell.
	Holds(ctx context.Context, seq string) (bool, error)
	// Create creates the database, unless it exists.
	Create(ctx context.Context) error
	// Changes reads the next changes and calls fn for each.
	Changes(ctx context.Context, q ChangesQuery, fn func(Change) error) (ChangesEnd, error)
	// Missing returns which revisions of the changes this peer lacks.
	Missing(ctx context.Context, changes []Change) ([]Wanted, error)
	// Fetch reads revisions with their histories, and the newer ones that have replaced
	// them. It passes each to fn, which may keep it. It skips what no longer exists; the
	// caller makes sure that it is really gone.
	Fetch(ctx context.Context, wanted []Wanted, fn func(r *Revision) error) error
	// Store writes revisions without attachments as they are. It returns the refused ones.
	Store(ctx context.Context, revs []*Revision) ([]Refusal, error)
	// StoreAttached writes a revision and the attachments that are not stubs, which it reads
	// with open. The error is errMissingStub if the peer lacks a stub's bytes.
	StoreAttached(ctx context.Context, r *Revision, open opener) (*Refusal, error)
	// OpenAttachment reads the bytes of an attachment as they are stored. The revision comes
	// from Fetch.
	OpenAttachment(ctx context.Context, r *Revision, att *Attachment) (io.ReadCloser, error)
	// FilterCode returns the text of a filter function, or ErrNoFilter.
	FilterCode(ctx context.Context, ddoc, name string) (string, error)
	// GetLocal reads a local document. PutLocal overwrites it.
	GetLocal(ctx context.Context, id string) ([]byte, error)
	PutLocal(ctx context.Context, id string, body []byte) error
	// Close releases what the peer holds.
	Close()
}

// Info is what a database says about itself.
type Info struct {
	UpdateSeq string
	// Opened is another text after a database was deleted and created again, or where its server
	// cannot exclude that its files were put back: after a restart. "" if unknown.
	Opened string
	// Steady says that, unless the database is put back, the number of UpdateSeq only grows.
	Steady bool
}

// ChangesQuery says which changes to read.
type ChangesQuery struct {
	Since   string // "" is the beginning
	Limit   int
	Wait    time.Duration // how long to wait for a change if there is none; 0: not at all
	Filter  Filter
	Winners bool // report only the winner of each document
}

// Filter says which documents to replicate. The zero value stands for all.
type Filter struct {
	DocIDs   []string // nil: any
	Selector []byte   // JSON
	Name     string   // of a filter function
	Params   map[string]string
}

// all tells whether the filter lets everything through.
func (f *Filter) all() bool { return f.DocIDs == nil && f.Selector == nil && f.Name == "" }

// check tells whether the name can be that of a filter: built in, or in a design document.
func (f *Filter) check() error {
	if f.Name == "" || strings.HasPrefix(f.Name, "_") || strings.Contains(f.Name, "/") {
		return nil
	}
	return &BadRequest{"Invalid filter. Must match `ddocname/filtername`."}
}

// Change is the newest change of a document, with its leaves.
type Change struct {
	Seq  string
	ID   string
	Revs []revtree.Rev
}

// ChangesEnd says where reading the changes stopped.
type ChangesEnd struct {
	LastSeq string
	Pending int64 // changes after that, -1 if the peer did not say
	Rows    int
	Full    bool // it stopped because the rows have many bytes: even if there are few rows, more may follow
}

// batchBytes is how many bytes of ids and revisions make a batch full. Ids may be long, so a limit on
// the rows does not bound the memory of a batch, nor the sizes of the request that asks which of
// them are missing and of its answer.
const batchBytes = 4 << 20

// errBatchFull ends the reading of changes.
var errBatchFull = errors.New("the batch is full")

// bytes is what a change counts for in a batch.
func (c *Change) bytes() int {
	n := len(c.ID) + len(c.Seq)
	for i := range c.Revs {
		n += len(c.Revs[i].ID)
	}
	return n
}

// Wanted are revisions of a document that the target lacks.
type Wanted struct {
	ID        string
	Revs      []revtree.Rev
	Ancestors []revtree.Rev // leaves of the target that could be their ancestors
}

// Refusal is a revision that the target did not accept.
type Refusal struct {
	ID     string
	Reason string
}
