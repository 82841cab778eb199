package mango

import (
	"fmt"

	"github.com/tododb/tododb/store/collate"
)

const (
	// maxConditions is how many conditions a selector may have once those that can be are
	// folded into one: each of them is asked of each document.
	maxConditions = 20_000
	// maxPatterns is how many bytes all expressions of a selector may have together.
	maxPatterns = 256 << 10
)

// another counts a condition: *Error if there are too many.
func (c *compiler) another() error {
	if c.conditions++; c.conditions > maxConditions {
		return &Error{"invalid_selector", fmt.Sprintf("The selector has more than %d conditions.", maxConditions)}
	}
	return nil
}

// set holds values by their keys.
type set struct {
	order collate.Order
	keys  map[string]struct{}
	room  []byte
}

func newSet(order collate.Order) *set { return &set{order: order, keys: map[string]struct{}{}} }

// add takes a value in; false if it has no key.
func (s *set) add(v []byte) bool {
	key, err := s.order.AppendKey(s.room[:0], v)
	s.room = key
	if err == nil {
		s.keys[string(key)] = struct{}{}
	}
	return err == nil
}

func (s *set) has(m *match, v []byte) bool {
	key, err := s.order.AppendKey(m.key[:0], v)
	m.key = key
	_, in := s.keys[string(key)]
	return in && err == nil
}

// fold takes the equalities out of the parts of an $or, or the inequalities out of those of
// an $and: those of one field are one condition, which costs the same however many values
// there are. It gives what is left, too. Unlike $in and $nin they do not look into arrays.
func (c *compiler) fold(op string, kids []*node) (folded []condition, rest []*node, err error) {
	count := map[string]int{}
	for _, k := range kids {
		if k.op == op {
			count[k.field]++
		}
	}
	sets := map[string]*set{}
	for _, k := range kids {
		if k.op != op || count[k.field] < 2 {
			rest = append(rest, k)
			continue
		}
		in := sets[k.field]
		if in == nil {
			if err := c.another(); err != nil {
				return nil, nil, err
			}
			p, err := parsePath(k.field)
			if err != nil {
				return nil, nil, err
			}
			in = newSet(p.order())
			sets[k.field] = in
			test := in.has
			if op == "$ne" {
				test = func(m *match, v []byte) bool { return !in.has(m, v) }
			}
			folded = append(folded, &field{k.field, p, test})
		}
		if !in.add(k.arg) {
			return nil, nil, badArg(k.op, k.arg)
		}
	}
	return folded, rest, nil
}

func (p path) isID() bool { return len(p) == 1 && p[0] == "_id" }

// order is that by which values of the field compare: ids do by their bytes.
func (p path) order() collate.Order {
	if p.isID() {
		return collate.Raw
	}
	return collate.Unicode
}
