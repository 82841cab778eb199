package view

import (
	"context"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
)

// Index is the open index of a design document. A caller that gets it from Open releases it.
type Index struct {
	*index.Index
	Design *design.Document
	db     *store.DB
}

// Opener opens the indexes of design documents. It derives what it needs from a document once.
type Opener struct {
	manager   *index.Manager
	compilers Compilers
}

// NewOpener makes an Opener whose indexes a manager keeps.
func NewOpener(m *index.Manager, c Compilers) *Opener { return &Opener{m, c} }

// defined is what an Opener derived from a design document.
type defined struct {
	def *index.Definition
	err error
}

// Open opens the index of a design document. The error may be a *BuildError, or come from
// index.Manager.Open.
func (o *Opener) Open(ctx context.Context, db *store.DB, d *design.Document) (*Index, error) {
	made := d.Once(o, func() any {
		def, err := o.compilers.definition(d)
		return defined{def, err}
	}).(defined)
	if made.err != nil {
		return nil, made.err
	}
	ix, err := o.manager.Open(ctx, db, made.def)
	if err != nil {
		return nil, err
	}
	return &Index{Index: ix, Design: d, db: db}, nil
}

// Freshness says what a reader of an index waits for.
type Freshness int

const (
	Wait  Freshness = iota // for all changes up to now
	Stale                  // for nothing: reads what is there
	Lazy                   // for nothing, but the index is brought up to date afterwards
)

// Prepare brings the index to the given freshness before it is read.
func (ix *Index) Prepare(ctx context.Context, f Freshness) error {
	if f == Stale {
		return nil
	}
	seq, err := ix.db.UpdateSeq(ctx)
	if err != nil {
		return err
	}
	if f == Lazy {
		ix.Ask(seq)
		return nil
	}
	return ix.Wait(ctx, seq)
}
