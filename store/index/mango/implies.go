package mango

import (
	"bytes"

	"github.com/tododb/tododb/store/jsonscan"
)

// A partial index can serve a query that does not name it if the query's selector implies the
// index's filter: if every document that matches the one matches the other too. Here that is
// proved, or it is not known.

// maxProof is how many nodes of selectors all proofs for one query may look at.
const maxProof = 200_000

// proves reports whether every document that a selector matches certainly matches a filter.
func (p *prover) proves(s, filter *Selector) bool {
	return filter.Empty() || !s.Empty() && p.implies(s.norm, filter.norm)
}

// prover counts the nodes that it looks at.
type prover struct{ left int }

// spend counts; false says to give up, which proves nothing.
func (p *prover) spend(nodes int) bool {
	p.left -= nodes
	return p.left >= 0
}

// size is how many nodes there are.
func (n *node) size() int {
	if n == nil {
		return 0
	}
	size := 1
	for _, k := range n.kids {
		size += k.size()
	}
	return size
}

func (p *prover) implies(n, filter *node) bool {
	if !p.spend(1) {
		return false
	}
	switch {
	case filter.op == "$and":
		for _, k := range filter.kids {
			if !p.implies(n, k) {
				return false
			}
		}
		return true
	case filter.op == "$or" && len(filter.kids) == 0: // as in CouchDB, it asks for nothing
		return true
	case n.op == "$or" && len(n.kids) > 0:
		return p.allImply(n.kids, filter)
	case filter.op == "$or":
		for _, k := range filter.kids {
			if p.implies(n, k) {
				return true
			}
		}
	}
	if n.op == "$and" {
		if filter.op != "$or" && p.bounds(n, filter) {
			return true
		}
		for _, k := range n.kids {
			if p.implies(k, filter) {
				return true
			}
		}
		return false
	}
	return !combines(filter.op) && !combines(n.op) && (p.same(n, filter) || p.bounds(n, filter))
}

func (p *prover) allImply(kids []*node, filter *node) bool {
	for _, k := range kids {
		if !p.implies(k, filter) {
			return false
		}
	}
	return true
}

// same reports whether two conditions are the same to the letter.
func (p *prover) same(a, b *node) bool {
	if a.op != b.op || a.field != b.field || !p.spend(a.size()+b.size()) {
		return false
	}
	return bytes.Equal(a.appendTo(nil), b.appendTo(nil))
}

// bounds reports whether a field's values in all documents that match n are among those that
// a condition accepts.
func (p *prover) bounds(n, filter *node) bool {
	if !p.spend(2*n.size()) || !n.required()[filter.field] {
		return false
	}
	if filter.op == "$exists" {
		return filter.arg[0] == 't'
	}
	var o order = rows{}
	if path, err := parsePath(filter.field); err != nil || path.isID() {
		o = ids{}
	}
	accepted, known := filter.accepted(o)
	return known && n.spansOf(filter.field, o).within(accepted)
}

// accepted are keys of which a condition accepts every value; false if they are not known.
func (n *node) accepted(o order) (spans, bool) {
	switch n.op {
	case "$lt", "$lte", "$eq", "$ne", "$gte", "$gt":
		return exactly(o, n.op, n.arg)
	case "$type":
		return o.kind(text(n.arg)), true
	case "$in": // an array matches by its elements only
		var points []spans
		for _, e := range elements(n.arg) {
			if one, known := exactly(o, "$eq", e); known && jsonscan.Kind(e) != '[' {
				points = append(points, one)
			}
		}
		return spans{}.union(points...), true
	case "$nin":
		list := elements(n.arg)
		if len(list) > maxRanges {
			return nil, false
		}
		s := everything
		for _, e := range list {
			one, known := exactly(o, "$ne", e)
			if !known {
				return nil, false
			}
			s = s.intersect(one)
		}
		if arrays := o.kind("array"); len(arrays) > 0 {
			s = s.intersect(spans{{hi: arrays[0].lo}, {lo: arrays[0].hi, hi: behind}})
		}
		return s, true
	}
	return nil, false
}

// exactly are the keys that a comparison accepts; false if they are not known.
func exactly(o order, op string, arg []byte) (spans, bool) {
	if p, ok := o.value(arg); !ok && !p.below {
		return nil, false
	}
	return compared(o, op, arg), true
}
