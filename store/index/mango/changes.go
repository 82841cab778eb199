package mango

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
)

// ChangesReader takes changes.
type ChangesReader struct {
	Row     func(*store.Change) error // is called inside a snapshot
	Flush   func() error              // between pages, outside snapshots
	Waiting func() error              // now and then while an index is built
}

// Changes reads the changes of documents with a leaf that matches a selector, nil for all, in
// the order of store.DB.Changes. If an index was made with {"changes": true}, and the selector
// holds its first fields to single values, Changes looks only at the changes that the index
// finds. A nil Finder looks at all.
func (f *Finder) Changes(ctx context.Context, db *store.DB, sel *Selector, q store.ChangesQuery, to ChangesReader) (store.ChangesEnd, error) {
	heavy := false
	if rows := sel.pageRows(); rows > 0 {
		q.PageRows, heavy = rows, true
	}
	if sel != nil {
		q.MatchLeaf = func(d *store.Document) (bool, error) { return sel.Match(ctx, d) }
	}
	begin := func() error {
		if heavy { // the caller may hold back the first page too
			return to.Flush()
		}
		return nil
	}
	all := func() (store.ChangesEnd, error) {
		if err := begin(); err != nil {
			return store.ChangesEnd{}, err
		}
		return db.Changes(ctx, q, to.Row, to.Flush)
	}
	if f == nil || sel == nil || q.DocIDs != nil {
		return all()
	}
	ix, ranges, err := f.changesIndex(ctx, db, sel)
	if err != nil {
		return store.ChangesEnd{}, err
	}
	if ix == nil {
		return all()
	}
	if q.To == 0 {
		var err error
		if q.To, err = db.UpdateSeq(ctx); err != nil {
			return store.ChangesEnd{}, err
		}
	}
	open, err := f.m.Open(ctx, db, ix.changesDefinition())
	if err != nil {
		return store.ChangesEnd{}, err
	}
	defer open.Release()
	if err := open.WaitTelling(ctx, q.To, to.Waiting); err != nil {
		return store.ChangesEnd{}, err
	}
	if err := begin(); err != nil {
		return store.ChangesEnd{}, err
	}
	found := narrowed{db, open, ranges}
	if q.Descending {
		return found.readBack(ctx, q, to)
	}
	return found.read(ctx, q, to)
}

// changesPage is how many changes are asked of the index at a time.
const changesPage = 1000

// narrowed reads the changes of a database that ranges of an index find.
type narrowed struct {
	db     *store.DB
	ix     *index.Index
	ranges []index.Range
}

func (n narrowed) read(ctx context.Context, q store.ChangesQuery, to ChangesReader) (total store.ChangesEnd, err error) {
	total.Last = q.Since
	left := q.Limit
	for {
		seqs, more, err := n.ix.Changes(ctx, index.ChangesQuery{Ranges: n.ranges, Since: total.Last, To: q.To, Limit: changesPage})
		if err != nil {
			return total, err
		}
		part := q
		part.Since, part.Seqs, part.Limit = total.Last, append([]uint64{}, seqs...), left
		end, err := n.db.Changes(ctx, part, func(c *store.Change) error {
			if left > 0 {
				left--
			}
			return to.Row(c)
		}, to.Flush)
		total.Seen += end.Seen
		if end.LastRow > 0 {
			total.LastRow = end.LastRow
		}
		total.Last = end.Last
		switch {
		case err != nil || left == 0 && q.Limit > 0 || q.Limit == 0:
			total.Pending = end.Pending
			return total, err
		case !more:
			// This covers the changes that the index did not find.
			total.Last, total.Done = max(q.To, q.Since), true
			return total, nil
		}
		total.Last = seqs[len(seqs)-1]
	}
}

// readBack reads from the newest change backward.
func (n narrowed) readBack(ctx context.Context, q store.ChangesQuery, to ChangesReader) (total store.ChangesEnd, err error) {
	left, upTo := q.Limit, q.To
	for {
		seqs, more, err := n.ix.Changes(ctx, index.ChangesQuery{Ranges: n.ranges, To: upTo, Limit: changesPage, Descending: true})
		if err != nil {
			return total, err
		}
		part := q
		part.Seqs, part.Limit = append([]uint64{}, seqs...), left
		end, err := n.db.Changes(ctx, part, func(c *store.Change) error {
			if left > 0 {
				left--
			}
			return to.Row(c)
		}, to.Flush)
		total.Seen += end.Seen
		if end.LastRow > 0 {
			total.LastRow = end.LastRow
		}
		if end.Last > 0 {
			total.Last = end.Last
		}
		switch {
		case err != nil || left == 0:
			return total, err
		case !more:
			// This covers the changes that the index did not find, down to the oldest.
			total.Done = true
			oldest, err := n.db.Changes(ctx, store.ChangesQuery{To: q.To, Limit: 1}, func(*store.Change) error { return nil }, func() error { return nil })
			if oldest.LastRow > 0 {
				total.Last = oldest.LastRow
			}
			return total, err
		}
		upTo = seqs[len(seqs)-1] - 1
	}
}

// changesIndex finds the index that narrows a selector most.
func (f *Finder) changesIndex(ctx context.Context, db *store.DB, sel *Selector) (best *Index, ranges []index.Range, err error) {
	list, err := f.Indexes(ctx, db)
	fields := 0
	for _, ix := range list {
		if !ix.Changes || ix.Partial != nil {
			continue
		}
		if rg, n := ix.changesRanges(sel.norm); n > fields {
			best, ranges, fields = ix, rg, n
		}
	}
	return best, ranges, err
}

// changesRanges are ranges of the changes index by its first n fields, which the selector holds
// to single values. Arrays have ranges of their own, since $in looks at their elements.
func (ix *Index) changesRanges(sel *node) (ranges []index.Range, n int) {
	prefixes := []string{arrayKey}
	required := sel.required()
	for _, f := range ix.Fields.Fields {
		s := sel.spansOf(f, rowsOf(f))
		if s.whole() || !required[f] || len(s)*len(prefixes) > maxRanges {
			break
		}
		points := []string{}
		for _, one := range s {
			if one.point {
				points = append(points, one.lo)
				continue
			}
			if !(spans{one}).within(rows{}.kind("array")) {
				points = nil
				break
			}
			for _, p := range prefixes {
				ranges = append(ranges, index.Range{Low: index.Bound{Key: []byte(p + one.lo)}, High: index.Bound{Key: []byte(p + one.hi)}})
			}
		}
		if points == nil {
			break
		}
		next := make([]string, 0, len(prefixes)*len(points))
		for _, p := range prefixes {
			for _, point := range points {
				next = append(next, p+point)
			}
		}
		prefixes = next
		n++
	}
	if n == 0 {
		return nil, 0
	}
	for _, p := range prefixes {
		ranges = append(ranges, index.Key(0, append([]byte(p), 0)))
	}
	return append(ranges, index.Range{View: 1}), n
}

// ChangesSignature names the stored index of changesDefinition.
func (ix *Index) ChangesSignature() string {
	b := append([]byte("tododb mango changes 1 "), strings.Join(ix.Fields.Fields, "\x00")...)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// changesDefinition defines the index that finds changes. View 0 has the rows of every document
// that has the first field, the first two fields and so on, deleted ones too. Their keys are
// arrays of that many values. View 1 has the documents with several leaves: only a read of the
// other leaves shows their values.
func (ix *Index) changesDefinition() *index.Definition {
	return &index.Definition{
		Signature: ix.ChangesSignature(), Label: ix.DDoc, Views: make([]index.View, 2),
		IncludeDesign: true, IncludeDeleted: true, Changes: true,
		NewMapper: func() (index.Mapper, error) {
			mp, err := newMapper(ix)
			return changesMapper{mp}, err
		},
	}
}

type changesMapper struct{ *mapper }

func (c changesMapper) Map(_ context.Context, doc *store.Document, emit func(view int, key, value []byte) error) error {
	if len(doc.Conflicts)+len(doc.DeletedConflicts) > 0 {
		if err := emit(1, null, null); err != nil {
			return err
		}
	}
	key := []byte{'['}
	for i, p := range c.paths {
		v, how := p.findIn(&c.m, doc)
		if how != there {
			return nil
		}
		if i > 0 {
			key = append(key, ',')
		}
		key = append(key, v...)
		if err := emit(0, append(key, ']'), null); err != nil {
			return err
		}
	}
	return nil
}

func (changesMapper) Close() {}

// within reports whether all spans lie within others.
func (s spans) within(o spans) bool {
	in := s.intersect(o)
	if len(in) != len(s) {
		return false
	}
	for i := range s {
		if s[i].lo != in[i].lo || s[i].hi != in[i].hi {
			return false
		}
	}
	return true
}
