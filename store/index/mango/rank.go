package mango

import "slices"

// rank takes the first of the chosen candidates, and records what became of the others as
// CouchDB does (mango_cursor.erl, extract_candidate_indexes): those that could serve come
// first, in their order, and then each kind of refusal has a rank.
func (p *Plan) rank(chosen []*candidate) {
	rank := 1
	if len(chosen) > 0 {
		p.Index = chosen[0].index
		if !p.Index.special() {
			rank = len(chosen)
		}
	}
	for i, c := range chosen {
		c.ranking = i
		switch {
		case i == 0:
		case c.apart > 0:
			c.reason = "less_overlap"
		case len(c.index.Fields.Fields) > len(chosen[0].index.Fields.Fields):
			c.reason = "too_many_fields"
		default:
			c.reason = "alphabetically_comes_after"
		}
	}
	for _, reasons := range [][]string{{"unfavored_type"}, {"excluded_by_user"}, {"field_mismatch", "sort_order_mismatch"}, {"scope_mismatch"}, {"is_partial"}} {
		next := rank
		for i := range p.candidates {
			if c := &p.candidates[i]; slices.Contains(reasons, c.reason) {
				c.ranking, next = rank, rank+1
			}
		}
		rank = next
	}
}
