package mango

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/tododb/tododb/store"
)

// Plan says how a query is answered.
type Plan struct {
	Query *Query
	// Index is the index to read; nil if none can serve, which only Explain shows. Of several
	// it is the first.
	Index    *Index
	Covering bool // the index has everything that the query needs
	// Warning says that a requested index cannot serve.
	Warning string

	union      *union // not nil: several indexes are read, one after the other
	candidates []candidate
	bookmark   *bookmark
	proof      *prover
	empty      bool // by CouchDB's rules nothing can match: it does not look
}

// candidate is an existing index, and what became of it.
type candidate struct {
	index   *Index
	usable  bool
	implied bool   // it is partial, is not named, and holds all matching documents in the right order
	reason  string // why it was not chosen
	ranking int
	apart   int // fields that the query compares but the index does not begin with
}

// noIndex is the answer to a sort that no index offers.
func noIndex(db *store.DB, q *Query) error {
	kind := ""
	switch {
	case q.Partition != "":
		kind = "partitioned "
	case db.Partitioned():
		kind = "global "
	}
	return &Error{"no_usable_index", "No " + kind + "index exists for this sort, try indexing by the sort fields."}
}

// Plan chooses an index for a query. The error is an *Error if none can serve.
func (f *Finder) Plan(ctx context.Context, db *store.DB, q *Query) (*Plan, error) {
	if q.Partition != "" && !db.Partitioned() {
		return nil, &Error{"query_parse_error", "`partition` parameter is not supported on this db"}
	}
	p, err := f.plan(ctx, db, q)
	switch {
	case err != nil:
		return nil, err
	case !q.AllowFallback && q.UseIndex != nil && (p.Index == nil || !p.Index.named(q.UseIndex)):
		return nil, &Error{"invalid_index", namedText(q.UseIndex) + " specified by `use_index` could not be found or it is not suitable."}
	case p.Index == nil:
		return nil, noIndex(db, q)
	case !q.AllowFallback && p.union == nil && p.Index.special():
		return nil, &Error{"no_usable_index", "There is no index available for this selector."}
	}
	return p, nil
}

// named reports whether use_index names an index.
func (ix *Index) named(use []string) bool {
	return ix.DDoc == designID(use[0]) && (len(use) == 1 || ix.Name == use[1])
}

func namedText(use []string) string {
	s := designID(use[0])
	if len(use) > 1 {
		s += ", " + use[1]
	}
	return s
}

// plan judges all indexes. CouchDB's choice (mango_cursor_view.erl, choose_best_index) depends
// on names and counts of fields. It stands unless another way has far fewer rows to look at.
func (f *Finder) plan(ctx context.Context, db *store.DB, q *Query) (*Plan, error) {
	list, err := f.Indexes(ctx, db)
	if err != nil {
		return nil, err
	}
	p := &Plan{Query: q, proof: &prover{left: maxProof}}
	if q.Bookmark != "" {
		b, err := parseBookmark(q.Bookmark)
		if err != nil {
			return nil, err
		}
		p.bookmark = &b
	}
	compared := q.Selector.compared()
	needs := requirements{q: q, fields: q.Selector.norm.required(), compared: compared, proof: p.proof}
	for _, ix := range list {
		if err := ctx.Err(); err != nil { // a large selector takes time with each
			return nil, err
		}
		p.candidates = append(p.candidates, needs.judge(ix))
	}
	chosen := p.favoured()
	slices.SortStableFunc(chosen, func(a, b *candidate) int {
		return cmp.Or(p.merged(a)-p.merged(b), a.apart-b.apart, len(a.index.Fields.Fields)-len(b.index.Fields.Fields),
			strings.Compare(a.index.DDoc, b.index.DDoc), strings.Compare(a.index.Name, b.index.Name))
	})
	p.rank(chosen)
	if p.bookmark != nil {
		err = p.follow(ctx, f)
	} else {
		err = f.weigh(ctx, db, p, chosen)
	}
	if err != nil {
		return nil, err
	}
	if p.Index == nil {
		return p, nil
	}
	if q.UseIndex != nil && !p.Index.named(q.UseIndex) {
		p.Warning = namedText(q.UseIndex) + " was not used because it "
		if len(q.UseIndex) == 1 {
			p.Warning += "does not contain a valid index for this query."
		} else {
			p.Warning += "is not a valid index for this query."
		}
	}
	p.Covering = p.union == nil && p.Index.covers(q) && !db.Hides()
	p.empty = q.Selector.nothing() || p.union == nil && p.Index.noRange(q.Selector, compared)
	return p, nil
}

// requirements are what an index must have to serve a query.
type requirements struct {
	q        *Query
	fields   map[string]bool // those that every matching document has
	compared []string
	proof    *prover
}

// judge judges an index.
func (n *requirements) judge(ix *Index) candidate {
	c := candidate{index: ix, apart: len(n.compared) - ix.overlap(n.compared)}
	use, unfit := n.q.UseIndex, n.unfit(ix)
	switch {
	case ix.Partial != nil && (use == nil || !ix.named(use)):
		c.reason = "is_partial"
		c.implied = unfit == "" && n.inScope(ix) && n.proof.proves(n.q.Selector, ix.Partial)
	case !n.inScope(ix):
		c.reason = "scope_mismatch"
	default:
		c.reason = unfit
	}
	c.usable = c.reason == ""
	return c
}

// inScope reports whether an index is of the kind that the query reads: partitioned for a query
// of one partition.
func (n *requirements) inScope(ix *Index) bool {
	return ix.special() || ix.partitioned() == (n.q.Partition != "")
}

// unfit says why an index cannot serve, in CouchDB's words; "" if it can.
func (n *requirements) unfit(ix *Index) string {
	sort := n.q.Sort.Fields
	if ix.special() {
		if len(sort) > 0 && !slices.Contains(n.compared, "_id") {
			return "field_mismatch"
		}
		if !ix.sorts(&n.q.Sort, n.q.Selector) {
			return "sort_order_mismatch"
		}
		return ""
	}
	for _, f := range ix.Fields.Fields {
		if !n.fields[f] && !slices.Contains(sort, f) && f != "_id" && f != "_rev" && !n.q.Selector.emptyOr() {
			return "field_mismatch"
		}
	}
	if !ix.sorts(&n.q.Sort, n.q.Selector) && !ix.merges(&n.q.Sort, n.q.Selector) {
		return "sort_order_mismatch"
	}
	return ""
}

// sorts reports whether an index has the requested order: the sort fields are the first fields
// of the index, apart from fields with a single value.
func (ix *Index) sorts(s *Sort, sel *Selector) bool {
	if len(s.Fields) == 0 {
		return true
	}
	for i, f := range ix.Fields.Fields {
		if f == s.Fields[0] {
			rest := ix.Fields.Fields[i:]
			return len(rest) >= len(s.Fields) && slices.Equal(rest[:len(s.Fields)], s.Fields)
		}
		if !sel.norm.constant(f) {
			return false
		}
	}
	return false
}

// favoured are the candidates to choose among: those that use_index names, else indexes before
// all documents.
func (p *Plan) favoured() (out []*candidate) {
	named := func(c *candidate) bool { return p.Query.UseIndex != nil && c.index.named(p.Query.UseIndex) }
	usable := func(c *candidate) bool { return c.usable }
	pick := func(from []*candidate, reason string, fits func(*candidate) bool) []*candidate {
		if !slices.ContainsFunc(from, fits) {
			return from
		}
		var out []*candidate
		for _, c := range from {
			if fits(c) {
				out = append(out, c)
			} else if c.reason == "" {
				c.reason = reason
			}
		}
		return out
	}
	for i := range p.candidates {
		if c := &p.candidates[i]; usable(c) {
			out = append(out, c)
		}
	}
	out = pick(out, "excluded_by_user", named)
	return pick(out, "unfavored_type", func(c *candidate) bool { return !c.index.special() })
}

var errGone = &Error{"invalid_bookmark", "The bookmark is of an index that cannot serve this query any more: ask from the beginning."}

// follow restricts the plan to what the bookmark comes from.
func (p *Plan) follow(ctx context.Context, f *Finder) (err error) {
	if p.bookmark.union != "" {
		err = p.followUnion(ctx, f)
	} else {
		err = p.followOne()
	}
	if digest := p.bookmark.digest; err == nil && digest != "" && digest != p.digest() {
		err = errGone // the rows of these indexes are others, so the place is none of theirs
	}
	return err
}

// followOne is follow for a bookmark of one index.
func (p *Plan) followOne() error {
	b := p.bookmark
	for i := range p.candidates {
		c := &p.candidates[i]
		if c.index.DDoc == b.ddoc && (b.ddoc == "" || c.index.Name == b.name) && (c.usable || c.implied) {
			p.Index = c.index
			return nil
		}
	}
	return errGone
}

// digest tells the indexes that the plan reads from others that may have their names later.
func (p *Plan) digest() string {
	var b []byte
	for _, one := range p.parts() {
		b = append(one.index.Fields.appendArray(b), ' ')
		if one.index.Partial != nil {
			b = one.index.Partial.AppendJSON(b)
		}
		b = append(b, '\n')
	}
	sum := sha256.Sum256(b)
	return string(sum[:8])
}

// covers reports whether the rows of an index have everything that a query needs.
func (ix *Index) covers(q *Query) bool {
	return q.Fields != nil && ix.has(q.Fields.Names()) && ix.has(q.Selector.Fields())
}

// has reports whether the rows of an index have certain fields.
func (ix *Index) has(fields []string) bool {
	if ix.special() {
		return false
	}
	for _, f := range fields {
		if f != "_id" && !slices.Contains(ix.Fields.Fields, f) {
			return false
		}
	}
	return true
}
