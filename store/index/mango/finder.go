package mango

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
)

// Finder answers queries. It may be used from many goroutines.
type Finder struct {
	m       *index.Manager
	views   *view.Opener
	designs *design.Cache
	small   int // smallRead, less in tests
}

// NewFinder makes a Finder. A manager keeps its indexes, and a cache the design documents that
// define them.
func NewFinder(m *index.Manager, designs *design.Cache) *Finder {
	return &Finder{m: m, views: view.NewOpener(m, view.Compilers{Language: Compiler}), designs: designs, small: smallRead}
}

// Indexes lists the indexes of a database: all documents, then the others by design
// document and name.
func (f *Finder) Indexes(ctx context.Context, db *store.DB) ([]*Index, error) {
	docs, err := f.designs.All(ctx, db)
	if err != nil {
		return nil, err
	}
	out := []*Index{allDocs}
	for _, d := range docs {
		out = append(out, IndexesOf(d)...)
	}
	slices.SortFunc(out, func(a, b *Index) int {
		return cmp.Or(strings.Compare(a.DDoc, b.DDoc), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// indexesKey is the key for IndexesOf in design.Document.Once.
type indexesKey struct{}

// IndexesOf lists the indexes that a design document defines.
func IndexesOf(d *design.Document) []*Index {
	if d.Language != Language {
		return nil
	}
	return d.Once(indexesKey{}, func() any {
		var out []*Index
		for i := range d.Views {
			if ix, ok := indexOf(d, i); ok {
				out = append(out, ix)
			}
		}
		return out
	}).([]*Index)
}

// Wanted are the signatures of all indexes, of views and of Mango, that some design document asks for.
func Wanted(docs []*design.Document) map[string]bool {
	wanted := map[string]bool{}
	for _, d := range docs {
		wanted[view.Signature(d)] = true
		for _, ix := range IndexesOf(d) {
			wanted[ix.ChangesSignature()] = true
		}
	}
	return wanted
}

// open opens the rows of an index; the caller releases them.
func (f *Finder) open(ctx context.Context, db *store.DB, ix *Index) (*view.Index, error) {
	return f.views.Open(ctx, db, ix.design)
}
