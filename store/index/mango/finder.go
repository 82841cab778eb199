package mango

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
)

// Finder answers queries. It may be used from many goroutines.
type Finder struct {
	m *index.Manager

	mu   sync.Mutex           // guards what follows
	read map[ddocRev][]*Index // what design documents define, so that they are read once
}

// ddocRev is one revision of a design document.
type ddocRev struct{ instance, id, rev string }

// maxRead is how many design documents are remembered.
const maxRead = 4096

// NewFinder makes a Finder whose indexes a manager keeps.
func NewFinder(m *index.Manager) *Finder { return &Finder{m: m, read: map[ddocRev][]*Index{}} }

// Indexes lists the indexes of a database: all documents, then the others by design
// document and name.
func (f *Finder) Indexes(ctx context.Context, db *store.DB) ([]*Index, error) {
	var revs []ddocRev
	q := store.AllDocsQuery{Space: store.DesignDocs, Limit: -1}
	err := db.AllDocs(ctx, q, func(store.Page) error { return nil }, func(r *store.Row) error {
		revs = append(revs, ddocRev{db.Instance(), string(r.ID), r.Rev.String()})
		return nil
	}, func() error { return nil })
	if err != nil {
		return nil, err
	}
	out := []*Index{allDocs}
	var unread []string
	f.mu.Lock()
	for _, rev := range revs {
		list, found := f.read[rev]
		if !found {
			unread = append(unread, rev.id)
		}
		out = append(out, list...)
	}
	f.mu.Unlock()
	err = db.GetMany(ctx, unread, store.ReadOptions{}, func(_ int, d *store.Document, err error) error {
		if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrDeleted) {
			return nil // since the ids were read
		}
		if err != nil {
			return err
		}
		list := IndexesOf(d.ID, d.Body)
		out = append(out, list...)
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.read) >= maxRead {
			clear(f.read)
		}
		f.read[ddocRev{db.Instance(), d.ID, d.Rev.String()}] = list
		return nil
	}, nil)
	slices.SortFunc(out, func(a, b *Index) int {
		return cmp.Or(strings.Compare(a.DDoc, b.DDoc), strings.Compare(a.Name, b.Name))
	})
	return out, err
}

// IndexesOf lists the indexes that a design document defines.
func IndexesOf(id string, body []byte) (out []*Index) {
	d, err := view.ParseDesign(id, bytes.Clone(body))
	if err != nil || d.Language != Language {
		return nil
	}
	for i := range d.Views {
		if ix, ok := indexOf(d, i); ok {
			out = append(out, ix)
		}
	}
	return out
}

// open opens the rows of an index; the caller releases them.
func (f *Finder) open(ctx context.Context, db *store.DB, ix *Index) (*view.Index, error) {
	return view.Open(ctx, f.m, db, ix.design, compilers)
}
