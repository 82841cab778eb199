package mango

import (
	"bytes"
	"slices"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/jsonscan"
)

// Here is the range of keys that CouchDB reads for a query (mango_idx_view.erl, range).
// _explain shows it and the choice of an index depends on it. The ranges actually read are
// narrower where possible: see ranges.

// compared lists the fields that a selector compares in all matching documents, sorted: those
// that CouchDB sees, which looks only through $and (indexable_fields).
func (s *Selector) compared() []string {
	var out []string
	var walk func(n *node)
	walk = func(n *node) {
		switch {
		case n == nil:
		case n.op == "$and":
			for _, k := range n.kids {
				walk(k)
			}
		case comparisons[n.op], n.op == "$exists" && n.arg[0] == 't':
			out = append(out, n.field)
		}
	}
	walk(s.norm)
	slices.Sort(out)
	return slices.Compact(out)
}

var comparisons = map[string]bool{"$lt": true, "$lte": true, "$eq": true, "$gte": true, "$gt": true, "$beginsWith": true}

// overlap is how many of the compared fields the index begins with.
func (ix *Index) overlap(compared []string) (n int) {
	for _, f := range ix.Fields.Fields {
		if !slices.Contains(compared, f) {
			break
		}
		n++
	}
	return n
}

// limits are the bounds of one field.
type limits struct {
	low, high         []byte // JSON; nil: none
	lowOpen, highOpen bool
	empty             bool
	loose             bool // matching values may lie outside
}

// limitsOf finds the bounds of a field.
func (s *Selector) limitsOf(field string) (l limits) {
	var walk func(n *node)
	walk = func(n *node) {
		switch {
		case n.op == "$and":
			for _, k := range n.kids {
				walk(k)
			}
		case n.field != field:
		case n.op == "$gt" || n.op == "$gte" || n.op == "$eq":
			l.raise(n.arg, n.op == "$gt")
			if n.op == "$eq" {
				l.lower(n.arg, false)
			}
		case n.op == "$lt" || n.op == "$lte":
			l.lower(n.arg, n.op == "$lt")
		case n.op == "$beginsWith":
			l.raise(n.arg, false)
			l.lower(jsonscan.AppendString(nil, text(n.arg)+lastOfAll), false)
			// Other texts than these may begin with the bytes and sort elsewhere.
			l.loose = l.loose || !plainString(n.arg)
		}
	}
	if s.norm != nil {
		walk(s.norm)
	}
	if l.low != nil && l.high != nil {
		c := orderOf(l.low, l.high)
		l.empty = !l.loose && (c > 0 || c == 0 && (l.lowOpen || l.highOpen))
	}
	return l
}

// lastOfAll sorts behind every other character.
const lastOfAll = "\uffff"

func (l *limits) raise(arg []byte, open bool) {
	if c := orderOf(l.low, arg); l.low == nil || c < 0 || c == 0 && open {
		l.low, l.lowOpen = arg, open
	}
}

func (l *limits) lower(arg []byte, open bool) {
	if c := orderOf(arg, l.high); l.high == nil || c < 0 || c == 0 && open {
		l.high, l.highOpen = arg, open
	}
}

// orderOf compares two JSON values.
func orderOf(a, b []byte) int {
	if a == nil || b == nil {
		return 0
	}
	x, _ := collate.AppendKey(nil, a) // both have been checked
	y, _ := collate.AppendKey(nil, b)
	return bytes.Compare(x, y)
}

// noRange reports whether no value of the first field can match: then CouchDB does not look at
// all, and its answer has no bookmark. The limits of ids say nothing here: ids compare by their bytes.
func (ix *Index) noRange(s *Selector, compared []string) bool {
	f := ix.Fields.Fields
	return !ix.special() && len(f) > 0 && !rowsOf(f[0]).id && slices.Contains(compared, f[0]) && s.limitsOf(f[0]).empty
}

// appendRange appends the keys at both ends of the range, as _explain shows them.
func (of *part) appendRange(b []byte, p *Plan) []byte {
	ix, sel := of.index, &Selector{norm: of.norm}
	start, end := "start_key", "end_key"
	if p.Query.Sort.Descending {
		start, end = end, start
	}
	low, high := []byte("["), []byte("[")
	overlap := ix.overlap(sel.compared())
	switch {
	case p.empty:
		low, high = []byte("null"), []byte("null")
	case ix.special():
		low, high = []byte("null"), []byte(`"<MAX>"`)
		if overlap > 0 {
			l := sel.limitsOf("_id")
			if l.low != nil {
				low = l.low
			}
			if l.high != nil {
				high = l.high
			}
		}
	default:
		lowEnded, highEnded := false, false // the key ends at a field without a bound
		for _, f := range ix.Fields.Fields[:overlap] {
			l := sel.limitsOf(f)
			low, lowEnded = appendBound(low, l.low, lowEnded)
			high, highEnded = appendBound(high, l.high, highEnded)
		}
		low = append(low, ']')
		high, _ = appendBound(high, []byte(`"<MAX>"`), false)
		high = append(high, ']')
	}
	b = append(append(append(append(b, `"`...), start...), `":`...), low...)
	return append(append(append(append(b, `,"`...), end...), `":`...), high...)
}

func appendBound(key, bound []byte, ended bool) ([]byte, bool) {
	if ended || bound == nil {
		return key, true
	}
	if len(key) > 1 {
		key = append(key, ',')
	}
	return append(key, bound...), ended
}
