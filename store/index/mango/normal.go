package mango

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tododb/tododb/store/jsonscan"
)

// node is a part of a selector in CouchDB's normal form (mango_selector.erl, normalize). An
// implicit $and or $eq is written out, full field names stand before a single operator, and
// negations are pushed inward as far as possible.
type node struct {
	op    string
	field string  // except for $and and $or: the full name; "" for the value itself
	arg   []byte  // of an operator that judges a value
	kids  []*node // of $and, $or; a single one for $not, $elemMatch, $allMatch, $keyMapMatch
}

func isOperator(name string) bool { return strings.HasPrefix(name, "$") }

// combines reports whether an operator's arguments are selectors of the same thing.
func combines(op string) bool { return op == "$and" || op == "$or" || op == "$nor" }

// inner reports whether an operator's argument is a selector of something within the value.
func inner(op string) bool { return op == "$elemMatch" || op == "$allMatch" || op == "$keyMapMatch" }

// normalize brings a selector, a JSON object, into normal form; an empty one is nil.
func normalize(raw []byte) (*node, error) {
	if len(pairs(raw)) == 0 {
		return nil, nil
	}
	n, err := new(expander).expand(raw, "")
	if err != nil {
		return nil, err
	}
	n = n.pushNegations()
	if !combines(n.op) && n.field == "" && n.op != "$text" {
		return nil, &Error{"invalid_selector", "One or more conditions is missing a field name."}
	}
	return n, nil
}

const (
	// maxOperators is the most operators of a selector, written out.
	maxOperators = 200_000
	// maxNames is the most bytes of all field names together. Each is written out with its
	// operator: an object of many members under a long name becomes much longer.
	maxNames = 16 << 20
)

// expander counts what it writes out.
type expander struct{ operators, names int }

// another counts a node. The error, an *Error, says that there are too many.
func (x *expander) another(field string) error {
	x.operators++
	x.names += len(field)
	if x.operators > maxOperators || x.names > maxNames {
		return &Error{"invalid_selector", fmt.Sprintf("The selector has more than %d operators, or more than %d bytes of names of fields.", maxOperators, maxNames)}
	}
	return nil
}

// expand writes out what is implicit and moves field names down to the operators. Its nodes
// have $not and $nor where they were written.
func (x *expander) expand(raw []byte, field string) (*node, error) {
	var list []pair
	if jsonscan.Kind(raw) == '{' {
		list = pairs(raw)
	}
	switch len(list) {
	case 0:
		return &node{op: "$eq", field: field, arg: raw}, x.another(field)
	case 1:
		return x.expandPair(list[0], field)
	}
	n := &node{op: "$and"}
	for _, p := range list {
		kid, err := x.expandPair(p, field)
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
	}
	return n, nil
}

func (x *expander) expandPair(p pair, field string) (*node, error) {
	switch {
	case !isOperator(p.name):
		if field != "" {
			p.name = field + "." + p.name
		}
		return x.expand(p.value, p.name)
	}
	if err := x.another(field); err != nil {
		return nil, err
	}
	switch {
	case combines(p.name):
		if jsonscan.Kind(p.value) != '[' {
			return nil, badArg(p.name, p.value)
		}
		n := &node{op: p.name}
		for _, e := range elements(p.value) {
			kid, err := x.expand(e, field)
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, kid)
		}
		return n, nil
	case p.name == "$not" || inner(p.name):
		if jsonscan.Kind(p.value) != '{' {
			return nil, badArg(p.name, p.value)
		}
		n := &node{op: p.name}
		if p.name != "$not" {
			n.field, field = field, ""
		}
		kid, err := x.expand(p.value, field)
		n.kids = []*node{kid}
		return n, err
	}
	if err := judge(p.name, p.value); err != nil {
		return nil, err
	}
	return &node{op: p.name, field: field, arg: p.value}, nil
}

// judge checks the argument of an operator that applies to a value.
func judge(op string, arg []byte) error {
	kind := jsonscan.Kind(arg)
	ok := true
	switch op {
	case "$lt", "$lte", "$eq", "$ne", "$gte", "$gt":
	case "$in", "$nin", "$all":
		ok = kind == '['
	case "$exists":
		ok = kind == 't' || kind == 'f'
	case "$type":
		ok = kind == '"'
	case "$mod":
		_, _, ok = modulus(arg)
	case "$size":
		_, ok = sizeOf(arg)
	case "$regex":
		if kind != '"' {
			return invalidOperator(op)
		}
		ok = compilesAsRegex(text(arg))
	case "$beginsWith":
		if kind != '"' {
			return invalidOperator(op)
		}
	case "$text":
		if kind == '[' || kind == '{' || kind == 'n' {
			return badArg(op, arg)
		}
		// Without text indexes, CouchDB lets everything match; nobody who asks for certain
		// words wants that.
		return &Error{Unavailable, "text"}
	case "$where", "$geoWithin", "$geoIntersects", "$near", "$nearSphere":
		return &Error{"not_supported", "Unsupported operator: " + op}
	default:
		return invalidOperator(op)
	}
	if !ok {
		return badArg(op, arg)
	}
	return nil
}

// opposites maps operators to their negation.
var opposites = map[string]string{
	"$lt": "$gte", "$lte": "$gt", "$eq": "$ne", "$ne": "$eq", "$gte": "$lt", "$gt": "$lte", "$in": "$nin", "$nin": "$in",
}

// pushNegations moves negations down to the fields. As in CouchDB, those within $elemMatch and
// the like stay where they are.
func (n *node) pushNegations() *node {
	switch n.op {
	case "$not":
		return n.kids[0].negate()
	case "$nor":
		return &node{op: "$and", kids: each(n.kids, (*node).negate)}
	case "$and", "$or":
		return &node{op: n.op, kids: each(n.kids, (*node).pushNegations)}
	}
	return n
}

// negate returns the opposite of a node.
func (n *node) negate() *node {
	switch n.op {
	case "$not":
		return n.kids[0].pushNegations()
	case "$nor":
		return &node{op: "$or", kids: each(n.kids, (*node).pushNegations)}
	case "$and":
		return &node{op: "$or", kids: each(n.kids, (*node).negate)}
	case "$or":
		return &node{op: "$and", kids: each(n.kids, (*node).negate)}
	case "$exists":
		other := []byte("true")
		if n.arg[0] == 't' {
			other = []byte("false")
		}
		return &node{op: n.op, field: n.field, arg: other}
	}
	if op := opposites[n.op]; op != "" {
		return &node{op: op, field: n.field, arg: n.arg}
	}
	within := *n
	within.field = ""
	return &node{op: "$not", field: n.field, kids: []*node{&within}}
}

func each(kids []*node, fn func(*node) *node) []*node {
	out := make([]*node, 0, len(kids))
	for _, k := range kids {
		out = append(out, fn(k))
	}
	return out
}

// appendTo appends the JSON of the normal form.
func (n *node) appendTo(b []byte) []byte {
	if n == nil {
		return append(b, "{}"...)
	}
	if combines(n.op) {
		b = append(append(append(b, `{"`...), n.op...), `":[`...)
		for i, k := range n.kids {
			if i > 0 {
				b = append(b, ',')
			}
			b = k.appendTo(b)
		}
		return append(b, "]}"...)
	}
	if n.field != "" || len(n.kids) == 0 {
		b = append(jsonscan.AppendString(append(b, '{'), n.field), ':')
		return append(n.appendOp(b), '}')
	}
	return n.appendOp(b)
}

// appendOp appends the operator and its argument.
func (n *node) appendOp(b []byte) []byte {
	b = append(append(append(b, `{"`...), n.op...), `":`...)
	switch {
	case n.op == "$not" && n.field != "" && len(n.kids[0].kids) == 0: // of a single test, whose field is n's
		b = n.kids[0].appendOp(b)
	case len(n.kids) > 0:
		b = n.kids[0].appendTo(b)
	default:
		b = append(b, n.arg...)
	}
	return append(b, '}')
}

// eachField calls fn for the names of the selector's outermost fields.
func (n *node) eachField(fn func(name string)) {
	switch {
	case n == nil:
	case combines(n.op):
		for _, k := range n.kids {
			k.eachField(fn)
		}
	default:
		fn(n.field)
	}
}

// required is the set of fields that every matching document has.
func (n *node) required() map[string]bool {
	out := map[string]bool{}
	n.require(out)
	return out
}

// require adds the required fields to a set.
func (n *node) require(to map[string]bool) {
	switch {
	case n == nil:
	case n.op == "$and":
		for _, k := range n.kids {
			k.require(to)
		}
	case n.op == "$or":
		var all map[string]bool // required by every part so far
		for i, k := range n.kids {
			of := k.required()
			if i == 0 {
				all = of
			}
			maps.DeleteFunc(all, func(f string, _ bool) bool { return !of[f] })
			if len(all) == 0 {
				return
			}
		}
		maps.Copy(to, all)
	case n.op == "$exists" && n.arg[0] == 'f':
	default:
		to[n.field] = true
	}
}

// constant reports whether a field has one value in all matching documents.
func (n *node) constant(field string) bool {
	switch {
	case n == nil:
		return false
	case n.op == "$and":
		return slices.ContainsFunc(n.kids, func(k *node) bool { return k.constant(field) })
	}
	return n.op == "$eq" && n.field == field
}

// never reports whether it is plain that nothing matches.
func (n *node) never() bool {
	switch n.op {
	case "$and":
		return slices.ContainsFunc(n.kids, (*node).never)
	case "$or":
		return len(n.kids) > 0 && !slices.ContainsFunc(n.kids, func(k *node) bool { return !k.never() })
	case "$in", "$all":
		return len(elements(n.arg)) == 0
	}
	return false
}
