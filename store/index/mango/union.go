package mango

import (
	"context"
	"slices"
	"strings"

	"github.com/tododb/tododb/store"
)

// An $or over different fields, each with an index, can be answered by reading several indexes
// one after the other. Each branch is read from the index that suits it. A document that
// matches several branches comes with the first of them. CouchDB reads all documents for this.

const (
	// maxBranches is the most indexes that are read for one query.
	maxBranches = 16
	// maxChoices bounds the work of finding an index for each branch.
	maxChoices = 100_000
)

// union is a way to answer a query from several indexes.
type union struct {
	parts  []part
	sorted bool // the query asks for an order, so the results are sorted in memory
}

// part is the branches that one index serves.
type part struct {
	index *Index
	norm  *node // what its documents match, of the whole selector
	own   *node // the branches alone
	// holds judges own; it is compiled when the union is read.
	holds condition
}

// unionOf finds indexes for the branches of the first $or for which there are some; nil if
// there is none.
func (f *Finder) unionOf(ctx context.Context, p *Plan) (*union, error) {
	norm := p.Query.Selector.norm
	if norm == nil || len(p.candidates) < 2 {
		return nil, nil
	}
	ors := []*node{norm}
	if norm.op == "$and" {
		ors = norm.kids
	}
	size := 0
	for i, or := range ors {
		if or.op != "$or" || len(or.kids) < 2 {
			continue
		}
		var rest []*node
		if norm.op == "$and" {
			rest = slices.Delete(slices.Clone(norm.kids), i, i+1)
		}
		each := norm.size() - or.size() // what all branches must match besides
		if size += or.size() + len(or.kids)*(len(p.candidates)+each); size > maxChoices {
			return nil, nil
		}
		parts, err := p.split(ctx, or.kids, rest)
		if err != nil {
			return nil, err
		}
		if len(parts) > 1 {
			return &union{parts: parts, sorted: len(p.Query.Sort.Fields) > 0}, nil
		}
	}
	return nil, nil
}

// split finds an index for each branch, given what all branches must match besides, and puts
// the branches of one index together. It returns nil if some branch has none.
func (p *Plan) split(ctx context.Context, branches, rest []*node) ([]part, error) {
	var parts []part
	for _, branch := range branches {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ix := p.indexFor(&node{op: "$and", kids: append([]*node{branch}, rest...)})
		if ix == nil {
			return nil, nil
		}
		i := slices.IndexFunc(parts, func(one part) bool { return one.index == ix })
		if i < 0 {
			if len(parts) == maxBranches {
				return nil, nil
			}
			i = len(parts)
			own := &node{op: "$or"}
			parts = append(parts, part{index: ix, own: own, norm: &node{op: "$and", kids: append([]*node{own}, rest...)}})
		}
		parts[i].own.kids = append(parts[i].own.kids, branch)
	}
	if i := slices.IndexFunc(parts, func(one part) bool { return one.index.special() }); i >= 0 {
		last := parts[i]
		parts = append(slices.Delete(parts, i, i+1), last)
	}
	return parts, nil
}

// indexFor chooses an index for a branch by CouchDB's rule, which does not depend on counts, so
// that a bookmark finds the same ones again. All documents serve only a branch that names ids.
func (p *Plan) indexFor(branch *node) *Index {
	q := *p.Query
	q.Selector, q.Sort, q.UseIndex = &Selector{norm: branch, conditions: 1}, Sort{}, nil
	needs := requirements{q: &q, fields: branch.required(), compared: q.Selector.compared(), proof: p.proof}
	var best candidate
	for i := range p.candidates {
		ix := p.candidates[i].index
		if ix.special() {
			continue
		}
		c := needs.judge(ix)
		if !c.usable && !c.implied {
			continue
		}
		if best.index == nil || c.apart < best.apart || c.apart == best.apart && len(ix.Fields.Fields) < len(best.index.Fields.Fields) {
			best = c
		}
	}
	if best.index == nil {
		s := p.Query.ids(branch)
		if !slices.ContainsFunc(s, func(one span) bool { return !one.point }) {
			return allDocs
		}
	}
	return best.index
}

// take makes a union the way to answer.
func (p *Plan) take(u *union) { p.union, p.Index = u, u.parts[0].index }

// names are the indexes of a union, as its bookmarks hold them.
func (u *union) names() string {
	var names []string
	for _, one := range u.parts {
		names = append(names, one.index.DDoc, one.index.Name)
	}
	return strings.Join(names, "\x00")
}

// follow takes the union that a bookmark comes from, whatever indexes there are besides.
func (p *Plan) followUnion(ctx context.Context, f *Finder) error {
	names := strings.Split(p.bookmark.union, "\x00")
	then := *p
	then.candidates = slices.DeleteFunc(slices.Clone(p.candidates), func(c candidate) bool {
		for i := 0; i+1 < len(names); i += 2 {
			if c.index.DDoc == names[i] && c.index.Name == names[i+1] {
				return false
			}
		}
		return !c.index.special()
	})
	u, err := f.unionOf(ctx, &then)
	if err != nil {
		return err
	}
	if u == nil || u.names() != p.bookmark.union {
		return errGone
	}
	p.take(u)
	return nil
}

// parts are what the plan reads.
func (p *Plan) parts() []part {
	switch {
	case p.union != nil:
		return p.union.parts
	case p.Index == nil:
		return nil
	}
	return []part{{index: p.Index, norm: p.Query.Selector.norm}}
}

// reads reports whether an index is one of those that the plan reads.
func (p *Plan) reads(ix *Index) bool {
	return slices.ContainsFunc(p.parts(), func(one part) bool { return one.index == ix })
}

// unionRows counts the rows of all parts. Parts that are not built yet count as nothing if the
// other ways would look at all documents, so that they are built, else as too many.
func (f *Finder) unionRows(ctx context.Context, db *store.DB, p *Plan, u *union, build bool) (total int, err error) {
	unknown := false
	for _, one := range u.parts {
		n, known, err := f.estimate(ctx, db, p.Query, one.index, one.norm)
		if err != nil {
			return 0, err
		}
		total += n
		if !known {
			if unknown = true; !build {
				err = f.ask(ctx, db, one.index)
			}
		}
		if err != nil {
			return 0, err
		}
	}
	if unknown && !build {
		return maxInteger, nil
	}
	return total, nil
}
