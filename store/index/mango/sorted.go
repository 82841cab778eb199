package mango

import (
	"bytes"
	"context"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

const (
	// maxSorted is the most documents that are sorted in memory.
	maxSorted = 10_000
	// maxSortBytes is the most bytes of their keys.
	maxSortBytes = 4 << 20
)

// entry is a document found, before it is sorted.
type entry struct {
	place []byte // orders it
	key   []byte // JSON
	id    string
}

// sorted reads all parts, sorts the documents found and returns those behind the bookmark.
func (r *run) sorted(ctx context.Context, f *Finder) error {
	g := gathering{r: r, seen: map[string]bool{}}
	if b := r.plan.bookmark; b != nil {
		var err error
		if g.after, err = r.place([]byte(b.key), b.id); err != nil {
			return badBookmark(jsonscan.AppendString(nil, r.plan.Query.Bookmark))
		}
	}
	r.last.part, r.take = 0, g.take
	err := r.each(ctx, f)
	r.take = nil
	if err != nil {
		return err
	}
	slices.SortFunc(g.found, func(a, b entry) int { return g.order(a.place, b.place) })
	r.number, r.seq = anyPart, g.seq
	stats := r.stats // this is the cost: the documents are only read again
	defer func() { stats.Results, r.stats = r.stats.Results, stats }()
	for found := g.found; len(found) > 0; {
		n := min(len(found), maxBatch, max(r.skip+r.left, 1))
		rows := make([]foundRow, 0, n)
		for _, one := range found[:n] {
			rows = append(rows, foundRow{id: one.id, key: one.key})
		}
		found = found[n:]
		if err := r.look(ctx, rows); err != nil {
			return err
		}
	}
	return nil
}

// gathering collects what all parts find.
type gathering struct {
	r     *run
	after []byte // the place of the bookmark; nil: there is none
	found []entry
	size  int
	seen  map[string]bool
	seq   uint64 // of the oldest state that was read
}

// order orders places as the query asks.
func (g *gathering) order(a, b []byte) int {
	if g.r.plan.Query.Sort.Descending {
		a, b = b, a
	}
	return bytes.Compare(a, b)
}

// take takes in a document that matches. If there are too many, the answer is the one that
// there would be without the indexes.
func (g *gathering) take(doc *store.Document) error {
	key, has, err := g.r.sortKey(doc)
	if !has || err != nil {
		return err
	}
	place, err := g.r.place(key, doc.ID)
	if err != nil {
		return err
	}
	if seq := g.r.seq; seq > 0 && (g.seq == 0 || seq < g.seq) {
		g.seq = seq
	}
	if g.seen[doc.ID] || g.after != nil && g.order(place, g.after) <= 0 {
		return nil
	}
	if g.size += len(place) + len(key); len(g.found) == maxSorted || g.size > maxSortBytes {
		return noIndex(g.r.db, g.r.plan.Query)
	}
	g.seen[doc.ID] = true
	g.found = append(g.found, entry{place, key, doc.ID})
	return nil
}

// sortKey is the array of the values by which a document is sorted; false if it lacks one. Such
// a document would not be in an index of these fields either.
func (r *run) sortKey(doc *store.Document) (key []byte, has bool, err error) {
	if r.sorter == nil {
		if r.sorter, err = newMapper(&Index{Fields: r.plan.Query.Sort}); err != nil {
			return nil, false, err
		}
	}
	if !r.sorter.keyOf(doc) {
		return nil, false, nil
	}
	return bytes.Clone(r.sorter.key), true, nil
}
