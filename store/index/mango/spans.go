package mango

import (
	"bytes"
	"slices"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/jsonscan"
)

// span is a stretch of keys, from lo up to but not including hi. A point holds one key.
type span struct {
	lo, hi string
	point  bool
}

// spans are stretches in order, apart from each other. The spans of a field hold at least the
// keys of all its values in matching documents.
type spans []span

// behind is greater than all keys.
const behind = "\xff"

var everything = spans{{hi: behind}}

func (s spans) whole() bool { return len(s) == 1 && s[0].lo == "" && s[0].hi == behind }

// union merges lists of spans.
func (s spans) union(others ...spans) spans {
	s = slices.Concat(append([]spans{s}, others...)...)
	slices.SortFunc(s, func(a, b span) int { return bytes.Compare([]byte(a.lo), []byte(b.lo)) })
	var out spans
	for _, one := range s {
		if n := len(out); n > 0 && one == out[n-1] {
			continue
		} else if n > 0 && one.lo <= out[n-1].hi {
			out[n-1].hi, out[n-1].point = max(out[n-1].hi, one.hi), false
		} else if one.lo < one.hi {
			out = append(out, one)
		}
	}
	return out
}

func (s spans) intersect(o spans) (out spans) {
	for i, j := 0, 0; i < len(s) && j < len(o); {
		if lo, hi := max(s[i].lo, o[j].lo), min(s[i].hi, o[j].hi); lo < hi {
			out = append(out, span{lo, hi, s[i].point || o[j].point})
		}
		if s[i].hi < o[j].hi {
			i++
		} else {
			j++
		}
	}
	return out
}

// order says where values lie among the keys of a field.
type order interface {
	// value returns the place of a value; false if the field has no values of its type.
	value(json []byte) (place, bool)
	// exact reports whether the comparison operators use this order.
	exact() bool
	beginning(text string) span
	// kind returns where the values of a type are (typeName).
	kind(name string) spans
}

// place is where a value lies: its key, and the next one. For a value of none of the types it
// says only whether the value is below all of them.
type place struct {
	at, past string
	below    bool
}

// rows is the order of the rows of an index.
type rows struct{ id bool } // id: the field is _id, which compares by bytes

// rowsOf is the order of a field's values in the rows of an index. Some names other than "_id" mean it too.
func rowsOf(field string) rows {
	p, err := parsePath(field)
	return rows{id: err != nil || p.isID()}
}

func (r rows) exact() bool { return !r.id }

func (rows) value(json []byte) (place, bool) {
	key, err := collate.AppendKey(nil, json)
	return place{at: string(key), past: string(append(key, collate.After))}, err == nil
}

func (rows) beginning(text string) span {
	key := string(collate.AppendBeginning(nil, []byte(text)))
	return span{lo: key, hi: key + behind}.of(rows{}.kind("string"))
}

// of cuts a span to the first of the others.
func (s span) of(o spans) span { return spans{s}.intersect(o)[0] }

func (r rows) kind(name string) spans {
	from := func(json string) string { p, _ := r.value([]byte(json)); return p.at }
	switch name {
	case "null":
		return spans{{lo: from("null"), hi: from("false")}}
	case "boolean":
		p, _ := r.value([]byte("true"))
		return spans{{lo: from("false"), hi: p.past}}
	case "number":
		p, _ := r.value([]byte("true"))
		return spans{{lo: p.past, hi: from(`""`)}}
	case "string":
		return spans{{lo: from(`""`), hi: from("[]")}}
	case "array":
		return spans{{lo: from("[]"), hi: from("{}")}}
	case "object":
		return spans{{lo: from("{}"), hi: behind}}
	}
	return nil
}

// ids is the order of documents by the bytes of their ids.
type ids struct{}

func (ids) exact() bool { return true }

func (ids) value(json []byte) (place, bool) {
	switch jsonscan.Kind(json) {
	case '[', '{':
		return place{}, false // these sort behind strings
	case '"':
	default:
		return place{below: true}, false
	}
	s := text(json)
	return place{at: s, past: s + "\x00"}, true
}

func (ids) beginning(text string) span { return span{lo: text, hi: text + behind} }

func (ids) kind(name string) spans {
	if name == "string" {
		return everything
	}
	return nil
}

// compared are the spans of a comparison.
func compared(o order, op string, arg []byte) spans {
	p, ok := o.value(arg)
	at, past, below := p.at, p.past, p.below
	switch {
	case !ok && below && (op == "$gt" || op == "$gte" || op == "$ne"):
		return everything
	case !ok && below:
		return nil
	case !ok, !o.exact() && op != "$eq":
		return everything
	}
	switch op {
	case "$eq":
		return spans{{at, past, true}}
	case "$ne":
		return spans{{hi: at}, {lo: past, hi: behind}}.union()
	case "$lt":
		return spans{{hi: at}}.union()
	case "$lte":
		return spans{{hi: past}}
	case "$gte":
		return spans{{lo: at, hi: behind}}
	}
	return spans{{lo: past, hi: behind}}
}

// spansOf finds the spans of a field.
func (n *node) spansOf(field string, o order) spans {
	switch {
	case n == nil:
		return everything
	case n.op == "$and":
		s := everything
		apart := 0
		for _, k := range n.kids {
			if k.op == "$ne" || k.op == "$or" {
				// Each may split the spans further: the time grows with the square of their
				// number.
				if apart++; apart > maxRanges {
					continue
				}
			}
			s = s.intersect(k.spansOf(field, o))
		}
		return s
	case n.op == "$or" && len(n.kids) > 0:
		var parts []spans
		for _, k := range n.kids {
			parts = append(parts, k.spansOf(field, o))
		}
		return spans{}.union(parts...)
	case n.field != field, combines(n.op):
		return everything
	}
	switch n.op {
	case "$lt", "$lte", "$eq", "$ne", "$gte", "$gt":
		return compared(o, n.op, n.arg)
	case "$in": // $in looks into arrays
		parts := []spans{o.kind("array")}
		for _, e := range elements(n.arg) {
			parts = append(parts, compared(o, "$eq", e))
		}
		return spans{}.union(parts...)
	case "$exists":
		if n.arg[0] == 'f' {
			return nil // a missing field has no key
		}
	case "$type":
		return o.kind(text(n.arg))
	case "$beginsWith":
		return spans{o.beginning(text(n.arg))}
	case "$regex":
		return o.kind("string")
	case "$mod":
		return o.kind("number")
	case "$size", "$all", "$elemMatch", "$allMatch":
		return o.kind("array")
	case "$keyMapMatch":
		return o.kind("object")
	}
	return everything
}
