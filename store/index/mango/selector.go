package mango

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/tododb/tododb/store/jsonscan"
)

// Error is what is wrong with a selector, with CouchDB's error word and reason.
type Error struct{ Word, Reason string }

func (e *Error) Error() string { return e.Reason }

func badArg(op string, arg []byte) error {
	return &Error{"bad_arg", fmt.Sprintf("Bad argument for operator %s: %s", op, arg)}
}

// Selector is a compiled selector.
type Selector struct{ root condition }

// Match tells whether a document matches.
func (s *Selector) Match(d *Document) bool { return s.root.matches(subject{doc: d}) }

// Compile reads a selector, a JSON object that has been checked: *Error.
func Compile(raw []byte) (*Selector, error) {
	if jsonscan.Kind(raw) != '{' {
		return nil, &Error{"bad_request", "Selector error: expected a JSON object"}
	}
	root, err := compileObject(nil, bytes.Clone(raw), false)
	if err != nil {
		return nil, err
	}
	return &Selector{root}, nil
}

// subject is what a condition judges: a document, or a value in one.
type subject struct {
	doc   *Document // or else
	value []byte
}

func (s subject) find(p path) ([]byte, found) {
	switch {
	case len(p) == 0 && s.doc == nil:
		return s.value, there
	case len(p) == 0:
		return s.doc.Body, there
	case s.doc != nil:
		return p.findIn(s.doc)
	}
	return p.find(s.value)
}

// condition is one of the parts that a selector is made of.
type condition interface{ matches(subject) bool }

type all []condition

func (c all) matches(s subject) bool {
	for _, one := range c {
		if !one.matches(s) {
			return false
		}
	}
	return true
}

type some []condition

func (c some) matches(s subject) bool {
	for _, one := range c {
		if one.matches(s) {
			return true
		}
	}
	return false
}

type never struct{}

func (never) matches(subject) bool { return false }

// field judges the value at a path. Without one, nothing but exists matches.
type field struct {
	path path
	test func(v []byte) bool
}

func (c field) matches(s subject) bool {
	v, how := s.find(c.path)
	return how == there && c.test(v)
}

type exists struct {
	path path
	want bool
}

func (c exists) matches(s subject) bool {
	_, how := s.find(c.path)
	return how == there && c.want || how == missing && !c.want
}

// compileObject compiles an object at a path; negated compiles its opposite.
func compileObject(at path, raw []byte, negated bool) (condition, error) {
	var parts []condition
	names := 0
	err := jsonscan.EachMember(raw, func(name, value []byte) error {
		names++
		var c condition
		var err error
		if strings.HasPrefix(string(name), "$") {
			c, err = compileOperator(at, string(name), value, negated)
		} else {
			below := append(append(path{}, at...), parsePath(string(name))...)
			c, err = compileValue(below, value, negated)
		}
		parts = append(parts, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	switch {
	case names == 0 && len(at) > 0: // {"m": {}} is the empty object
		return comparison(at, "$eq", raw, negated), nil
	case names == 0 && negated:
		return never{}, nil
	case names == 1:
		return parts[0], nil
	case negated:
		return some(parts), nil
	}
	return all(parts), nil
}

// compileValue compiles what stands at a field's name.
func compileValue(at path, raw []byte, negated bool) (condition, error) {
	if jsonscan.Kind(raw) == '{' {
		return compileObject(at, raw, negated)
	}
	return comparison(at, "$eq", raw, negated), nil
}

var opposites = map[string]string{
	"$lt": "$gte", "$lte": "$gt", "$eq": "$ne", "$ne": "$eq", "$gte": "$lt", "$gt": "$lte", "$in": "$nin", "$nin": "$in",
}

func compileOperator(at path, op string, arg []byte, negated bool) (condition, error) {
	switch op {
	case "$and", "$or", "$nor":
		return compileCombination(at, op, arg, negated)
	case "$not":
		if jsonscan.Kind(arg) != '{' {
			if len(at) > 0 {
				return comparison(at, "$eq", arg, !negated), nil
			}
			return nil, badArg(op, arg)
		}
		return compileObject(at, arg, !negated)
	case "$exists":
		if k := jsonscan.Kind(arg); k != 't' && k != 'f' {
			return nil, badArg(op, arg)
		}
		return exists{at, (arg[0] == 't') != negated}, nil
	case "$lt", "$lte", "$eq", "$ne", "$gte", "$gt":
		return comparison(at, op, arg, negated), nil
	case "$in", "$nin":
		if jsonscan.Kind(arg) != '[' {
			return nil, badArg(op, arg)
		}
		if negated {
			op = opposites[op]
		}
		return membership(at, op, elements(arg)), nil
	}
	test, err := compileTest(op, arg)
	if err != nil {
		return nil, err
	}
	if negated {
		return field{at, func(v []byte) bool { return !test(v) }}, nil
	}
	return field{at, test}, nil
}

func compileCombination(at path, op string, arg []byte, negated bool) (condition, error) {
	if jsonscan.Kind(arg) != '[' {
		return nil, badArg(op, arg)
	}
	list := elements(arg)
	if len(list) == 0 {
		return never{}, nil
	}
	inner := negated != (op == "$nor")
	parts := make([]condition, 0, len(list))
	for _, raw := range list {
		if jsonscan.Kind(raw) != '{' && len(at) == 0 {
			return nil, badArg(op, arg)
		}
		c, err := compileValue(at, raw, inner)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
	}
	if (op == "$and") == inner { // an $and turned over, an $or that is not, a $nor that is
		return some(parts), nil
	}
	return all(parts), nil
}

func comparison(at path, op string, arg []byte, negated bool) condition {
	if negated {
		op = opposites[op]
	}
	return field{at, func(v []byte) bool {
		c := compare(v, arg)
		switch op {
		case "$lt":
			return c < 0
		case "$lte":
			return c <= 0
		case "$eq":
			return c == 0
		case "$ne":
			return c != 0
		case "$gte":
			return c >= 0
		}
		return c > 0
	}}
}

// membership is $in and $nin. An array matches by its elements.
func membership(at path, op string, args [][]byte) condition {
	in := func(v []byte) bool {
		values := [][]byte{v}
		if jsonscan.Kind(v) == '[' {
			values = elements(v)
		}
		for _, value := range values {
			for _, arg := range args {
				if equal(value, arg) {
					return true
				}
			}
		}
		return false
	}
	return field{at, func(v []byte) bool { return in(v) == (op == "$in") }}
}

// compileTest compiles the operators that judge one value.
func compileTest(op string, arg []byte) (func([]byte) bool, error) {
	kind := jsonscan.Kind(arg)
	switch op {
	case "$type":
		if kind == '"' {
			want := text(arg)
			return func(v []byte) bool { return typeName(v) == want }, nil
		}
	case "$size":
		if n, err := strconv.Atoi(string(arg)); err == nil && n >= 0 {
			return func(v []byte) bool { return jsonscan.Kind(v) == '[' && len(elements(v)) == n }, nil
		}
	case "$mod":
		if test := compileMod(arg); test != nil {
			return test, nil
		}
	case "$all":
		if kind == '[' {
			return compileAll(elements(arg)), nil
		}
	case "$regex":
		return compileRegex(arg)
	case "$beginsWith":
		if kind != '"' {
			return nil, &Error{"invalid_operator", "Invalid operator: $beginsWith"}
		}
		prefix := text(arg)
		return func(v []byte) bool { return jsonscan.Kind(v) == '"' && strings.HasPrefix(text(v), prefix) }, nil
	case "$elemMatch", "$allMatch", "$keyMapMatch":
		if kind == '{' {
			return compileInner(op, arg)
		}
	default:
		return nil, &Error{"invalid_operator", "Invalid operator: " + op}
	}
	return nil, badArg(op, arg)
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

// compileMod takes whole numbers only, and keeps the sign of what is divided.
func compileMod(arg []byte) func([]byte) bool {
	if jsonscan.Kind(arg) != '[' {
		return nil
	}
	list := elements(arg)
	if len(list) != 2 {
		return nil
	}
	divisor, err1 := strconv.ParseInt(string(list[0]), 10, 64)
	rest, err2 := strconv.ParseInt(string(list[1]), 10, 64)
	if err1 != nil || err2 != nil || divisor == 0 || divisor == math.MinInt64 {
		return nil
	}
	return func(v []byte) bool {
		n, err := strconv.ParseInt(string(v), 10, 64)
		return err == nil && n%divisor == rest
	}
}

// compileAll matches an array that has all the elements, or is the one array among them.
func compileAll(args [][]byte) func([]byte) bool {
	return func(v []byte) bool {
		if jsonscan.Kind(v) != '[' || len(args) == 0 {
			return false
		}
		if len(args) == 1 && jsonscan.Kind(args[0]) == '[' && equal(args[0], v) {
			return true
		}
		values := elements(v)
		for _, arg := range args {
			in := false
			for _, value := range values {
				in = in || equal(value, arg)
			}
			if !in {
				return false
			}
		}
		return true
	}
}

// compileRegex compiles a pattern as PCRE has them; as in CouchDB it sees bytes.
func compileRegex(arg []byte) (func([]byte) bool, error) {
	invalid := &Error{"invalid_operator", "Invalid operator: $regex"}
	if jsonscan.Kind(arg) != '"' {
		return nil, invalid
	}
	re, err := regexp2.Compile(latin1(text(arg)), regexp2.None)
	if err != nil {
		return nil, invalid
	}
	re.MatchTimeout = regexLimit
	return func(v []byte) bool {
		if jsonscan.Kind(v) != '"' {
			return false
		}
		ok, err := re.MatchString(latin1(text(v)))
		return ok && err == nil // one that takes too long matches nothing
	}, nil
}

// latin1 makes a character of each byte.
func latin1(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < 0x80
	}
	if plain {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// compileInner compiles what judges the elements of an array, or the keys of an object.
func compileInner(op string, arg []byte) (func([]byte) bool, error) {
	inner, err := compileObject(nil, arg, false)
	if err != nil {
		return nil, err
	}
	one := func(v []byte) bool { return inner.matches(subject{value: v}) }
	switch op {
	case "$elemMatch":
		return func(v []byte) bool {
			for _, e := range elementsOf(v) {
				if one(e) {
					return true
				}
			}
			return false
		}, nil
	case "$allMatch":
		return func(v []byte) bool {
			list := elementsOf(v)
			for _, e := range list {
				if !one(e) {
					return false
				}
			}
			return len(list) > 0
		}, nil
	}
	return func(v []byte) bool {
		if jsonscan.Kind(v) != '{' {
			return false
		}
		pairs := members(v)
		for i := 0; i < len(pairs); i += 2 {
			if one(pairs[i]) {
				return true
			}
		}
		return false
	}, nil
}

func elementsOf(v []byte) [][]byte {
	if jsonscan.Kind(v) != '[' {
		return nil
	}
	return elements(v)
}

// regexLimit is how long one pattern may take over one value.
const regexLimit = 100 * time.Millisecond
