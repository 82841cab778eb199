package mango

import (
	"context"
	"math"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
)

// smallRead is how many rows are read as fast as other ways of answering are compared. Below
// it, the choice is CouchDB's.
const smallRead = 50

// weigh replaces CouchDB's choice by a way with far fewer rows to look at: another index that
// can serve, a partial index whose filter the selector implies, or several indexes one after
// the other. CouchDB considers only the first of these, and does not count.
func (f *Finder) weigh(ctx context.Context, db *store.DB, p *Plan, chosen []*candidate) error {
	asked := p.Query.UseIndex != nil && p.Index != nil && p.Index.named(p.Query.UseIndex)
	var others []*candidate
	for _, c := range chosen[min(1, len(chosen)):] {
		if p.merged(c) == 0 {
			others = append(others, c)
		}
	}
	scans := len(chosen) == 0 || chosen[0].index.special() // nothing else serves, or only all documents
	var either *union
	if !asked {
		for i := range p.candidates {
			if c := &p.candidates[i]; c.implied && (len(chosen) == 0 || p.merged(c) == 0) {
				others = append(others, c)
			}
		}
		if norm := p.Query.Selector.norm; scans || norm.size() <= 4*lightConditions {
			var err error
			if either, err = f.unionOf(ctx, p); err != nil {
				return err
			}
		}
	}
	if len(others) == 0 && either == nil {
		return nil
	}
	fewest := math.MaxInt
	if len(chosen) > 0 {
		n, known, err := f.estimate(ctx, db, p.Query, chosen[0].index, p.Query.Selector.norm)
		if err != nil || !known || n <= f.small {
			return err
		}
		fewest = n / 2
	}
	var best *candidate
	for _, c := range others {
		n, known, err := f.estimate(ctx, db, p.Query, c.index, p.Query.Selector.norm)
		switch {
		case err != nil:
			return err
		case known:
		case c.implied && scans: // it is built now, and counted from then on
			n = fewest - 1
		case c.implied:
			err = f.ask(ctx, db, c.index)
		}
		if err != nil {
			return err
		}
		if (known || c.implied && scans) && n < fewest {
			best, fewest = c, n
		}
	}
	if either != nil {
		n, err := f.unionRows(ctx, db, p, either, scans)
		if err != nil {
			return err
		}
		if n < fewest && (!either.sorted || n <= maxSorted) {
			p.take(either)
			p.passOver(chosen)
			return nil
		}
	}
	if best != nil {
		p.Index = best.index
		best.reason = ""
		if i := slices.Index(chosen, best); i >= 0 {
			chosen = chosen[:i]
		} else {
			chosen = chosen[:min(1, len(chosen))]
		}
		p.passOver(chosen)
	}
	return nil
}

// passOver records why CouchDB's choice is not taken.
func (p *Plan) passOver(chosen []*candidate) {
	for i, c := range chosen {
		c.reason, c.ranking = "more_rows", i+1
	}
}

// merged is 1 for an index that needs several ranges merged.
func (p *Plan) merged(c *candidate) int {
	if c.index.sorts(&p.Query.Sort, p.Query.Selector) {
		return 0
	}
	return 1
}

// estimate counts the rows, or the documents, that a query has to look at in an index. For an
// index not built yet, the count is unknown.
func (f *Finder) estimate(ctx context.Context, db *store.DB, q *Query, ix *Index, sel *node) (n int, known bool, err error) {
	if ix.special() {
		n, err = countDocs(ctx, db, q.ids(sel))
		return n, err == nil, err
	}
	open, err := f.open(ctx, db, ix)
	if err != nil {
		return 0, false, err
	}
	defer open.Release()
	if !open.Built() {
		return 0, false, nil
	}
	ranges := ix.ranges(sel)
	if len(ranges) > maxCounts {
		ranges = []index.Range{{View: ix.number, Low: ranges[0].Low, High: ranges[len(ranges)-1].High}}
	}
	n, err = open.Count(ctx, in(q.Partition, ranges))
	return n, err == nil, err
}

// maxCounts is the most ranges that are counted one by one.
const maxCounts = 100

// countDocs counts the documents in stretches of ids.
func countDocs(ctx context.Context, db *store.DB, s spans) (n int, err error) {
	if s.whole() {
		info, err := db.Info(ctx)
		return int(info.DocCount), err
	}
	if len(s) > maxCounts && !slices.ContainsFunc(s, func(one span) bool { return !one.point }) {
		return len(s), nil
	}
	if len(s) > maxCounts {
		s = spans{{lo: s[0].lo, hi: s[len(s)-1].hi}}
	}
	for _, one := range s {
		if one.point {
			n++
			continue
		}
		for _, end := range []struct {
			id   string
			sign int
		}{{one.hi, 1}, {one.lo, -1}} {
			q := store.AllDocsQuery{Start: end.id, HasStart: true, WantOffset: true}
			head := func(page store.Page) error { n += end.sign * page.Offset; return nil }
			if err := db.AllDocs(ctx, q, head, func(*store.Row) error { return nil }, func() error { return nil }); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// ask has an index built in the background.
func (f *Finder) ask(ctx context.Context, db *store.DB, ix *Index) error {
	seq, err := db.UpdateSeq(ctx)
	if err != nil {
		return err
	}
	open, err := f.open(ctx, db, ix)
	if err != nil {
		return err
	}
	defer open.Release()
	open.Ask(seq)
	return nil
}
