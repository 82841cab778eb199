package mango

import (
	"fmt"

	"github.com/tododb/tododb/store/collate"
)

const (
	// maxConditions is the most conditions of a selector after folding: every document is
	// tested against each.
	maxConditions = 20_000
	// maxPatterns is the most bytes of all expressions of a selector together.
	maxPatterns = 256 << 10
)

// another counts a condition. The error, an *Error, says that there are too many.
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

// add adds a value; false if it has no key.
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

// fold takes the equalities out of the parts of an $or, or the inequalities out of those of an
// $and. Those of one field become one condition, which costs the same for any number of values.
// It also returns the rest. Unlike $in and $nin, such a condition does not look into arrays.
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

// order is the order in which values of the field compare: ids compare by their bytes.
func (p path) order() collate.Order {
	if p.isID() {
		return collate.Raw
	}
	return collate.Unicode
}
