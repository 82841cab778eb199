package mango

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/jsonscan"
)

// Error says what is wrong with a request, with CouchDB's error word and reason.
type Error struct{ Word, Reason string }

func (e *Error) Error() string { return e.Reason }

// Unavailable is the Word of an Error about a kind of index that there is not.
const Unavailable = "required index service unavailable"

func badArg(op string, arg []byte) error {
	return &Error{"bad_arg", fmt.Sprintf("Bad argument for operator %s: %s", op, erlang(arg, false))}
}

func invalidOperator(op string) error {
	return &Error{"invalid_operator", "Invalid operator: " + op}
}

// maxDepth is how deep a selector may nest.
const maxDepth = 500

// Selector is a compiled selector.
type Selector struct {
	norm       *node
	root       condition
	conditions int
}

// Compile reads a selector, JSON that has been checked. The error is an *Error.
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
	c := new(compiler)
	root, err := c.compile(norm)
	if err != nil {
		return nil, err
	}
	return &Selector{norm, root, c.conditions}, nil
}

// lightConditions is how many conditions take next to no time.
const lightConditions = 100

// pageRows is how many documents to judge in one go, so that none takes long; 0: as many as
// suit the storage.
func (s *Selector) pageRows() int {
	if s == nil || s.conditions <= lightConditions {
		return 0
	}
	return max(maxBatch*lightConditions/s.conditions, 5)
}

// depth is how deep arrays and objects nest in a checked value.
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

// Empty reports whether the selector asks for nothing, so that everything matches.
func (s *Selector) Empty() bool { return s.norm == nil }

// compiler makes conditions.
type compiler struct {
	conditions int // made
	patterns   int // bytes of expressions
}

// compile makes a condition of a node.
func (c *compiler) compile(n *node) (condition, error) {
	switch {
	case n == nil:
		return all{}, nil
	case combines(n.op):
		parts, err := c.parts(n)
		if err != nil {
			return nil, err
		}
		switch {
		case n.op == "$nor":
			return not{some(parts)}, nil
		case n.op == "$or" && len(n.kids) > 0:
			return some(parts), nil
		}
		return all(parts), nil // as in CouchDB, an empty $or asks for nothing
	case n.op == "$not" && n.field == "":
		of, err := c.compile(n.kids[0])
		return not{of}, err
	}
	if err := c.another(); err != nil {
		return nil, err
	}
	p, err := parsePath(n.field)
	if err != nil {
		return nil, err
	}
	if n.op == "$exists" {
		return &exists{n.field, p, n.arg[0] == 't'}, nil
	}
	t, err := c.compileTest(n, p.isID())
	return &field{n.field, p, t}, err
}

// parts makes the conditions of a combination.
func (c *compiler) parts(n *node) ([]condition, error) {
	op := "$eq"
	if n.op == "$and" {
		op = "$ne"
	}
	parts, kids, err := c.fold(op, n.kids)
	if err != nil {
		return nil, err
	}
	for _, k := range kids {
		one, err := c.compile(k)
		if err != nil {
			return nil, err
		}
		parts = append(parts, one)
	}
	return parts, nil
}

// compileTest makes the test of an operator. Ids compare by their bytes.
func (c *compiler) compileTest(n *node, isID bool) (test, error) {
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
		t, err := c.compileTest(n.kids[0], isID)
		return func(m *match, v []byte) bool { return !t(m, v) }, err
	case "$elemMatch", "$allMatch", "$keyMapMatch":
		of, err := c.compile(n.kids[0])
		return within(n.op, of), err
	case "$type":
		want := text(n.arg)
		return func(_ *match, v []byte) bool { return typeName(v) == want }, nil
	case "$size":
		size, _ := sizeOf(n.arg)
		return func(_ *match, v []byte) bool {
			return jsonscan.Kind(v) == '[' && len(elements(v)) == size
		}, nil
	case "$mod":
		divisor, rest, _ := modulus(n.arg)
		return func(_ *match, v []byte) bool {
			n, err := strconv.ParseInt(string(v), 10, 64)
			if errors.Is(err, strconv.ErrRange) {
				return remainder(v, divisor) == rest
			}
			return err == nil && n%divisor == rest
		}, nil
	case "$all":
		return hasAll(elements(n.arg)), nil
	case "$regex":
		return c.compileRegex(n.arg)
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
	in := newSet(order)
	for _, e := range elements(arg) {
		if !in.add(e) {
			return nil, badArg(op, arg)
		}
	}
	want := op == "$in"
	return func(m *match, v []byte) bool {
		if jsonscan.Kind(v) != '[' {
			return in.has(m, v) == want
		}
		for _, e := range elements(v) {
			if !m.spend(len(e)) {
				return false
			}
			if in.has(m, e) {
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

// remainder is that of a whole number of any length, with the sign of the number.
func remainder(number []byte, divisor int64) int64 {
	by := uint64(max(divisor, -divisor))
	rest := uint64(0)
	for _, c := range bytes.TrimPrefix(number, []byte("-")) {
		high, low := bits.Mul64(rest, 10)
		low, carry := bits.Add64(low, uint64(c-'0'), 0)
		rest = bits.Rem64(high+carry, low, by)
	}
	if number[0] == '-' {
		return -int64(rest)
	}
	return int64(rest)
}

// sizeOf reads the argument of $size: a whole number that is not negative. No array has as many elements as a
// number stands for that is out of range.
func sizeOf(arg []byte) (size int, ok bool) {
	size, ok = integer(arg)
	return size, ok && size >= 0
}

// hasAll matches an array that has all the elements, or that is itself the only one listed.
func hasAll(args [][]byte) test {
	return func(m *match, v []byte) bool {
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
				if !m.spend(0) {
					return false
				}
				if in = same(value, arg); in {
					break
				}
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
				if m.err != nil {
					return false
				}
			}
			return false
		}
		if kind != '[' {
			return false
		}
		list := elements(v)
		for _, e := range list {
			holds := c.holds(m, subject{value: e})
			if m.err != nil {
				return false
			}
			if holds == (op == "$elemMatch") {
				return holds
			}
		}
		return op == "$allMatch" && len(list) > 0
	}
}

// Fields returns the names of the selector's fields.
func (s *Selector) Fields() (names []string) {
	seen := map[string]bool{}
	s.norm.eachField(func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	})
	return names
}

// nothing reports whether a selector is one empty combination: CouchDB does not even look for
// matches (mango_cursor.erl, maybe_noop_range).
func (s *Selector) nothing() bool {
	return s.norm != nil && combines(s.norm.op) && len(s.norm.kids) == 0
}

// emptyOr reports whether the selector is an $or of nothing, of which CouchDB says that each
// branch requires any field one likes. It says so too if there are other conditions besides;
// here this holds only if these match nothing, since an index might lack documents.
func (s *Selector) emptyOr() bool {
	isEmpty := func(n *node) bool { return n.op == "$or" && len(n.kids) == 0 }
	switch {
	case s.norm == nil:
		return false
	case s.norm.op == "$and" && slices.ContainsFunc(s.norm.kids, isEmpty):
		return s.norm.never()
	}
	return isEmpty(s.norm)
}
