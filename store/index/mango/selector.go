package mango

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/jsonscan"
)

// Error is what is wrong with a request, with CouchDB's error word and reason.
type Error struct{ Word, Reason string }

func (e *Error) Error() string { return e.Reason }

func badArg(op string, arg []byte) error {
	return &Error{"bad_arg", fmt.Sprintf("Bad argument for operator %s: %s", op, erlang(arg, false))}
}

func invalidOperator(op string) error {
	return &Error{"invalid_operator", "Invalid operator: " + op}
}

// maxDepth is how deep a selector may be nested.
const maxDepth = 500

// Selector is a compiled selector.
type Selector struct {
	norm *node
	root condition
}

// Compile reads a selector, JSON that has been checked: *Error.
func Compile(raw []byte) (*Selector, error) {
	if jsonscan.Kind(raw) != '{' {
		return nil, &Error{"invalid_selector_json", "Selector must be a JSON object, not: " + erlang(raw, false)}
	}
	if depth(raw) > maxDepth {
		return nil, &Error{"invalid_selector", fmt.Sprintf("The selector is nested deeper than %d levels.", maxDepth)}
	}
	norm, err := normalize(bytes.Clone(raw))
	if err != nil {
		return nil, err
	}
	root, err := compile(norm)
	if err != nil {
		return nil, err
	}
	return &Selector{norm, root}, nil
}

// depth is how deep arrays and objects are nested in a checked value.
func depth(raw []byte) (deepest int) {
	now := 0
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '"':
			end, _, err := jsonscan.SkipString(raw, i)
			if err != nil {
				return deepest
			}
			i = end
			continue
		case '{', '[':
			now++
			deepest = max(deepest, now)
		case '}', ']':
			now--
		}
		i++
	}
	return deepest
}

// AppendJSON appends the selector in normal form.
func (s *Selector) AppendJSON(b []byte) []byte { return s.norm.appendTo(b) }

// Empty tells that the selector asks for nothing, so that everything matches.
func (s *Selector) Empty() bool { return s.norm == nil }

// Match tells whether a document matches. An error says that it could not be told: a
// pattern takes too long.
func (s *Selector) Match(d *store.Document) (bool, error) { return s.match(subject{doc: d}) }

func (s *Selector) match(of subject) (bool, error) {
	m := matches.Get().(*match)
	defer matches.Put(m)
	m.err = nil
	ok := s.root.holds(m, of)
	return ok && m.err == nil, m.err
}

// match is one document being judged.
type match struct {
	key  []byte // room for keys
	text []byte // room for members that have to be made
	err  error
}

var matches = sync.Pool{New: func() any { return new(match) }}

// subject is what a condition judges: a document, a value in one, or the row that an
// index has of a document.
type subject struct {
	doc   *store.Document
	row   *row
	value []byte
}

// row is what an index tells of a document by itself.
type row struct {
	id      []byte
	columns []string
	values  [][]byte
}

// condition is one of the parts that a selector is made of.
type condition interface {
	holds(m *match, s subject) bool
}

type all []condition

func (c all) holds(m *match, s subject) bool {
	for _, one := range c {
		if !one.holds(m, s) {
			return false
		}
	}
	return true
}

type some []condition

func (c some) holds(m *match, s subject) bool {
	for _, one := range c {
		if one.holds(m, s) {
			return true
		}
	}
	return false
}

type not struct{ condition }

func (c not) holds(m *match, s subject) bool { return !c.condition.holds(m, s) }

// field judges the value at a path. Without one, nothing but exists matches.
type field struct {
	name string
	path path
	test test
}

func (c *field) holds(m *match, s subject) bool {
	v, how := s.find(m, c.name, c.path)
	return how == there && c.test(m, v)
}

type exists struct {
	name string
	path path
	want bool
}

func (c *exists) holds(m *match, s subject) bool {
	_, how := s.find(m, c.name, c.path)
	return how == there && c.want || how == missing && !c.want
}

// test judges a value.
type test func(m *match, v []byte) bool

// compile makes a condition of a node.
func compile(n *node) (condition, error) {
	switch {
	case n == nil:
		return all{}, nil
	case combines(n.op):
		parts := make([]condition, 0, len(n.kids))
		for _, k := range n.kids {
			c, err := compile(k)
			if err != nil {
				return nil, err
			}
			parts = append(parts, c)
		}
		switch {
		case n.op == "$nor":
			return not{some(parts)}, nil
		case n.op == "$or" && len(parts) > 0:
			return some(parts), nil
		}
		return all(parts), nil // as in CouchDB an $or of nothing asks for nothing
	case n.op == "$not" && n.field == "":
		c, err := compile(n.kids[0])
		return not{c}, err
	}
	p, err := parsePath(n.field)
	if err != nil {
		return nil, err
	}
	if n.op == "$exists" {
		return &exists{n.field, p, n.arg[0] == 't'}, nil
	}
	t, err := compileTest(n, len(p) == 1 && p[0] == "_id")
	return &field{n.field, p, t}, err
}

// compileTest makes the test of an operator. Ids compare by their bytes.
func compileTest(n *node, isID bool) (test, error) {
	order := collate.Unicode
	if isID {
		order = collate.Raw
	}
	switch n.op {
	case "$lt", "$lte", "$eq", "$ne", "$gte", "$gt":
		return comparison(n.op, n.arg, order)
	case "$in", "$nin":
		return membership(n.op, n.arg, order)
	case "$not":
		t, err := compileTest(n.kids[0], isID)
		return func(m *match, v []byte) bool { return !t(m, v) }, err
	case "$elemMatch", "$allMatch", "$keyMapMatch":
		c, err := compile(n.kids[0])
		return within(n.op, c), err
	case "$type":
		want := text(n.arg)
		return func(_ *match, v []byte) bool { return typeName(v) == want }, nil
	case "$size":
		size, _ := wholeNumber(n.arg)
		return func(_ *match, v []byte) bool {
			return jsonscan.Kind(v) == '[' && int64(len(elements(v))) == size
		}, nil
	case "$mod":
		divisor, rest, _ := modulus(n.arg)
		return func(_ *match, v []byte) bool {
			n, err := strconv.ParseInt(string(v), 10, 64)
			return err == nil && n%divisor == rest
		}, nil
	case "$all":
		return hasAll(elements(n.arg)), nil
	case "$regex":
		return compileRegex(text(n.arg))
	case "$beginsWith":
		prefix := []byte(text(n.arg))
		return func(m *match, v []byte) bool {
			if jsonscan.Kind(v) != '"' {
				return false
			}
			m.key = jsonscan.AppendText(m.key[:0], v)
			return bytes.HasPrefix(m.key, prefix)
		}, nil
	}
	return nil, invalidOperator(n.op)
}

func comparison(op string, arg []byte, order collate.Order) (test, error) {
	o, err := newOperand(arg, order)
	if err != nil {
		return nil, badArg(op, arg)
	}
	switch op {
	case "$eq":
		return func(m *match, v []byte) bool { return o.equals(v, &m.key) }, nil
	case "$ne":
		return func(m *match, v []byte) bool { return !o.equals(v, &m.key) }, nil
	case "$lt":
		return func(m *match, v []byte) bool { return o.compare(v, &m.key) < 0 }, nil
	case "$lte":
		return func(m *match, v []byte) bool { return o.compare(v, &m.key) <= 0 }, nil
	case "$gte":
		return func(m *match, v []byte) bool { return o.compare(v, &m.key) >= 0 }, nil
	}
	return func(m *match, v []byte) bool { return o.compare(v, &m.key) > 0 }, nil
}

// membership is $in and $nin. An array matches by its elements.
func membership(op string, arg []byte, order collate.Order) (test, error) {
	keys := map[string]bool{}
	for _, e := range elements(arg) {
		key, err := order.AppendKey(nil, e)
		if err != nil {
			return nil, badArg(op, arg)
		}
		keys[string(key)] = true
	}
	in := func(m *match, v []byte) bool {
		key, err := order.AppendKey(m.key[:0], v)
		m.key = key
		return err == nil && keys[string(key)]
	}
	want := op == "$in"
	return func(m *match, v []byte) bool {
		if jsonscan.Kind(v) != '[' {
			return in(m, v) == want
		}
		for _, e := range elements(v) {
			if in(m, e) {
				return want
			}
		}
		return !want
	}, nil
}

func typeName(v []byte) string {
	switch jsonscan.Kind(v) {
	case 'n':
		return "null"
	case 't', 'f':
		return "boolean"
	case '"':
		return "string"
	case '[':
		return "array"
	case '{':
		return "object"
	}
	return "number"
}

// modulus reads the argument of $mod: whole numbers, which keep their signs.
func modulus(arg []byte) (divisor, rest int64, ok bool) {
	if jsonscan.Kind(arg) != '[' {
		return 0, 0, false
	}
	list := elements(arg)
	if len(list) != 2 {
		return 0, 0, false
	}
	divisor, err1 := strconv.ParseInt(string(list[0]), 10, 64)
	rest, err2 := strconv.ParseInt(string(list[1]), 10, 64)
	return divisor, rest, err1 == nil && err2 == nil && divisor != 0 && divisor != -1<<63
}

// hasAll matches an array that has all the elements, or is the one array among them.
func hasAll(args [][]byte) test {
	return func(_ *match, v []byte) bool {
		if jsonscan.Kind(v) != '[' || len(args) == 0 {
			return false
		}
		if len(args) == 1 && jsonscan.Kind(args[0]) == '[' && same(args[0], v) {
			return true
		}
		values := elements(v)
		for _, arg := range args {
			in := false
			for _, value := range values {
				in = in || same(value, arg)
			}
			if !in {
				return false
			}
		}
		return true
	}
}

// within judges the elements of an array, or the names of an object.
func within(op string, c condition) test {
	return func(m *match, v []byte) bool {
		kind := jsonscan.Kind(v)
		if op == "$keyMapMatch" {
			if kind != '{' {
				return false
			}
			for list := members(v); len(list) > 0; list = list[2:] {
				if c.holds(m, subject{value: list[0]}) {
					return true
				}
			}
			return false
		}
		if kind != '[' {
			return false
		}
		list := elements(v)
		for _, e := range list {
			if c.holds(m, subject{value: e}) == (op == "$elemMatch") {
				return op == "$elemMatch"
			}
		}
		return op == "$allMatch" && len(list) > 0
	}
}

// Fields are the names of the fields that the selector is about.
func (s *Selector) Fields() []string { return s.norm.fields(nil) }

// nothing tells of a selector that is one empty combination: CouchDB does not even ask
// for what matches it (mango_cursor.erl, maybe_noop_range).
func (s *Selector) nothing() bool {
	return s.norm != nil && combines(s.norm.op) && len(s.norm.kids) == 0
}
