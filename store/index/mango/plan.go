package mango

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
)

// Plan says how a query is answered.
type Plan struct {
	Query *Query
	// Index is the index to read; nil if none can serve, which only Explain shows.
	Index    *Index
	Covering bool // the index has everything that the query needs
	// Warning says that a requested index cannot serve.
	Warning string

	candidates []candidate
	bookmark   *bookmark
	empty      bool // by CouchDB's rules nothing can match: it does not look
}

// candidate is an existing index, and what became of it.
type candidate struct {
	index   *Index
	usable  bool
	reason  string // why it was not chosen
	ranking int
	apart   int // fields that the query compares but the index does not begin with
}

// noIndex is the answer to a sort that no index offers.
var noIndex = &Error{"no_usable_index", "No index exists for this sort, try indexing by the sort fields."}

// Plan chooses an index for a query. The error is an *Error if none can serve.
func (f *Finder) Plan(ctx context.Context, db *store.DB, q *Query) (*Plan, error) {
	p, err := f.plan(ctx, db, q)
	switch {
	case err != nil:
		return nil, err
	case !q.AllowFallback && q.UseIndex != nil && (p.Index == nil || !p.Index.named(q.UseIndex)):
		return nil, &Error{"invalid_index", namedText(q.UseIndex) + " specified by `use_index` could not be found or it is not suitable."}
	case p.Index == nil:
		return nil, noIndex
	case !q.AllowFallback && p.Index.special():
		return nil, &Error{"no_usable_index", "There is no index available for this selector."}
	}
	return p, nil
}

// merged is 1 for an index that needs several ranges merged.
func (p *Plan) merged(c *candidate) int {
	if c.index.sorts(&p.Query.Sort, p.Query.Selector) {
		return 0
	}
	return 1
}

// named reports whether use_index names an index.
func (ix *Index) named(use []string) bool {
	return ix.DDoc == "_design/"+use[0] && (len(use) == 1 || ix.Name == use[1])
}

func namedText(use []string) string {
	s := "_design/" + use[0]
	if len(use) > 1 {
		s += ", " + use[1]
	}
	return s
}

// plan judges all indexes. CouchDB's choice (mango_cursor_view.erl, choose_best_index) depends
// on names and counts of fields. It stands unless another usable index has fewer than half as
// many rows to look at.
func (f *Finder) plan(ctx context.Context, db *store.DB, q *Query) (*Plan, error) {
	list, err := f.Indexes(ctx, db)
	if err != nil {
		return nil, err
	}
	p := &Plan{Query: q}
	if q.Bookmark != "" {
		b, err := parseBookmark(q.Bookmark)
		if err != nil {
			return nil, err
		}
		p.bookmark = &b
	}
	compared := q.Selector.compared()
	required := q.Selector.norm.required()
	for _, ix := range list {
		if err := ctx.Err(); err != nil { // a large selector takes time with each
			return nil, err
		}
		c := candidate{index: ix}
		c.reason = ix.refusal(q, required, compared)
		c.usable = c.reason == ""
		c.apart = len(compared) - ix.overlap(compared)
		p.candidates = append(p.candidates, c)
	}
	chosen := p.favoured()
	if len(chosen) > 0 {
		slices.SortStableFunc(chosen, func(a, b *candidate) int {
			return cmp.Or(p.merged(a)-p.merged(b), a.apart-b.apart, len(a.index.Fields.Fields)-len(b.index.Fields.Fields),
				strings.Compare(a.index.DDoc, b.index.DDoc), strings.Compare(a.index.Name, b.index.Name))
		})
		if err := f.weigh(ctx, db, p, chosen); err != nil {
			return nil, err
		}
		p.Index = chosen[0].index
		p.rank(chosen)
	}
	if p.bookmark != nil {
		if err := p.follow(); err != nil {
			return nil, err
		}
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
	p.Covering = p.Index.covers(q) && !db.Hides()
	p.empty = q.Selector.nothing() || p.Index.noRange(q.Selector, compared)
	return p, nil
}

// refusal says why an index cannot serve a query, in CouchDB's words; "" if it can.
func (ix *Index) refusal(q *Query, required map[string]bool, compared []string) string {
	if ix.Partial != nil && (q.UseIndex == nil || !ix.named(q.UseIndex)) {
		return "is_partial"
	}
	sort := q.Sort.Fields
	if ix.special() {
		if len(sort) > 0 && !(slices.Contains(compared, "_id") && ix.sorts(&q.Sort, q.Selector)) {
			return "field_mismatch"
		}
		return ""
	}
	for _, f := range ix.Fields.Fields {
		if !required[f] && !slices.Contains(sort, f) && f != "_id" && f != "_rev" {
			if q.Selector.Empty() {
				return "empty_selector"
			}
			return "field_mismatch"
		}
	}
	if !ix.sorts(&q.Sort, q.Selector) && !ix.merges(&q.Sort, q.Selector) {
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

// weigh moves the candidate with far the fewest rows to the front.
func (f *Finder) weigh(ctx context.Context, db *store.DB, p *Plan, chosen []*candidate) error {
	if len(chosen) < 2 || p.bookmark != nil || p.merged(chosen[len(chosen)-1]) == 1 {
		return nil
	}
	best, fewest := 0, 0
	for i, c := range chosen {
		n, known, err := f.estimate(ctx, db, c.index, p.Query.Selector)
		switch {
		case err != nil:
			return err
		case !known && i == 0:
			return nil
		case !known:
		case i == 0:
			fewest = n / 2
		case n < fewest:
			best, fewest = i, n
		}
	}
	c := chosen[best]
	copy(chosen[1:best+1], chosen[:best])
	chosen[0] = c
	return nil
}

// estimate counts the rows that a query has to look at. For an index not built yet, the count
// is unknown.
func (f *Finder) estimate(ctx context.Context, db *store.DB, ix *Index, sel *Selector) (n int, known bool, err error) {
	open, err := f.open(ctx, db, ix)
	if err != nil {
		return 0, false, err
	}
	defer open.Release()
	if !open.Built() {
		return 0, false, nil
	}
	ranges := ix.ranges(sel.norm)
	if len(ranges) > 100 { // counting each would cost too much
		ranges = []index.Range{{View: ix.number, Low: ranges[0].Low, High: ranges[len(ranges)-1].High}}
	}
	n, err = open.Count(ctx, ranges)
	return n, err == nil, err
}

// follow restricts the plan to the index that the bookmark comes from.
func (p *Plan) follow() error {
	b := p.bookmark
	for i := range p.candidates {
		c := &p.candidates[i]
		if c.index.DDoc == b.ddoc && (b.ddoc == "" || c.index.Name == b.name) && c.usable {
			p.Index = c.index
			return nil
		}
	}
	return &Error{"invalid_bookmark", "The bookmark is of an index that cannot serve this query any more: ask from the beginning."}
}

// rank records why usable candidates were not chosen.
func (p *Plan) rank(chosen []*candidate) {
	first := chosen[0]
	for i, c := range chosen[1:] {
		switch {
		case c.apart > first.apart:
			c.reason = "less_overlap"
		case len(c.index.Fields.Fields) > len(first.index.Fields.Fields):
			c.reason = "too_many_fields"
		case cmp.Or(strings.Compare(c.index.DDoc, first.index.DDoc), strings.Compare(c.index.Name, first.index.Name)) > 0:
			c.reason = "alphabetically_comes_after"
		default:
			c.reason = "more_rows"
		}
		c.ranking = i + 1
	}
	// The others follow in CouchDB's order: by how far they got.
	rank := len(chosen) - 1
	for _, reasons := range [][]string{{"unfavored_type"}, {"excluded_by_user"}, {"field_mismatch", "empty_selector", "sort_order_mismatch"}, {"is_partial"}} {
		next := rank + 1
		for i := range p.candidates {
			c := &p.candidates[i]
			if c.ranking == 0 && c != first && slices.Contains(reasons, c.reason) {
				c.ranking, rank = next, next
			}
		}
	}
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
