package view

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
)

// sumReducer is _sum: it adds numbers, arrays of numbers element by element, and objects of all
// these member by member. The result is an error if a value cannot be added, or if a sum is out
// of range or does not shrink.
type sumReducer struct {
	value *addend // nil: nothing yet
	size  int     // bytes of the rows that went into it, numbers perhaps left out
	grown int     // about the bytes of value
	wrong []byte  // the error that is the result
}

// addend is a value that can be added.
type addend struct {
	kind    byte // '1', '[' or '{'
	n       number
	list    []number
	members []sumMember
	at      map[string]int // indexes of members, once there are several
}

type sumMember struct {
	name  string
	value *addend
}

const sumReason = "The _sum function requires that map values be numbers, arrays of numbers, or objects. " +
	"Objects cannot be mixed with other data structures. Objects can be arbitrarily nested, " +
	"provided that the values for all fields are themselves numbers, arrays of numbers, or objects."

// The size that a _sum that is not a number may have (couch_query_servers.erl,
// check_sum_overflow): sumThreshold, or half as much as went in. CouchDB checks this at each
// node of its tree, so whether rows of one shape fail depends on where they lie. Here the
// result is checked; what is kept on disk is checked only if it is large.
const (
	sumThreshold = 4906
	largeSum     = 64 << 10
	maxSum       = 1 << 20 // whatever went in
)

// badAddend is a value that cannot be added.
type badAddend struct{ value []byte }

func (e *badAddend) Error() string { return sumReason }

func (s *sumReducer) Close() {}
func (s *sumReducer) Reset() { *s = sumReducer{} }

func (s *sumReducer) Add(key, id, value []byte) error {
	return s.take(value, len(key)+len(id)+len(value))
}

// take adds a value that came from size bytes of rows.
func (s *sumReducer) take(value []byte, size int) error {
	if s.wrong != nil {
		return nil
	}
	s.size += size
	if n, ok := parseNumber(value); ok && (s.value == nil || s.value.kind == '1') {
		if s.value == nil {
			s.value = &addend{kind: '1'}
		}
		if s.value.n.add(&n); !s.value.n.inRange() {
			s.wrong = rangeFailure("_sum")
		}
		return nil
	}
	v, err := parseAddend(value)
	if err == nil && s.value == nil {
		s.value, s.grown = v, len(value)
	} else if err == nil {
		s.value, err = s.value.plus(v, value, &s.grown)
	}
	switch bad, ok := err.(*badAddend); {
	case ok:
		s.wrong = failure(sumReason, bad.value)
	case err == errRange:
		s.wrong = rangeFailure("_sum")
	case err != nil:
		return err
	case s.grown > maxSum:
		s.wrong = s.overflow(s.grown)
	}
	return nil
}

// overflow is the error of a sum that does not shrink, in CouchDB's words.
func (s *sumReducer) overflow(out int) []byte {
	return failure(fmt.Sprintf("Reduce output must shrink more rapidly: input size: %d output size: %d", s.size, out), nil)
}

// shrinks reports whether a sum of this many bytes may be shown, or kept on disk.
func (s *sumReducer) shrinks(out, threshold int) bool {
	return s.value == nil || s.value.kind == '1' || out <= threshold || out <= maxSum && out*2 <= s.size
}

// A partial result is a number; # and the uvarint bytes of rows before any other value; or !
// and the error.

func (s *sumReducer) Merge(p []byte) error {
	switch {
	case s.wrong != nil || len(p) == 0:
		return nil
	case p[0] == '!':
		s.wrong = slices.Clone(p[1:])
		return nil
	case p[0] == '#':
		size, w := binary.Uvarint(p[1:])
		if w <= 0 {
			return fmt.Errorf("%w: partial sum", index.ErrCorrupt)
		}
		return s.take(p[1+w:], int(size))
	}
	return s.take(p, len(p))
}

func (s *sumReducer) AppendPartial(dst []byte) ([]byte, error) {
	from := len(dst)
	if s.wrong == nil && s.value != nil && s.value.kind != '1' {
		dst = binary.AppendUvarint(append(dst, '#'), uint64(s.size))
	}
	at := len(dst)
	dst = s.appendValue(dst)
	wrong := s.wrong
	if out := len(dst) - at; wrong == nil && !s.shrinks(out, largeSum) {
		wrong = s.overflow(out)
	}
	if wrong != nil {
		dst = append(append(dst[:from], '!'), wrong...)
	}
	return dst, nil
}

func (s *sumReducer) AppendResult(dst []byte) ([]byte, error) {
	at := len(dst)
	dst = s.appendValue(dst)
	wrong := s.wrong
	if out := len(dst) - at; wrong == nil && !s.shrinks(out, sumThreshold) {
		wrong = s.overflow(out)
	}
	if wrong != nil {
		dst = append(dst[:at], wrong...)
	}
	return dst, nil
}

func (s *sumReducer) appendValue(dst []byte) []byte {
	switch {
	case s.wrong != nil:
		return dst
	case s.value == nil:
		return append(dst, '0')
	}
	return s.value.appendTo(dst)
}

func parseAddend(raw []byte) (*addend, error) {
	v := &addend{kind: jsonscan.Kind(raw)}
	switch v.kind {
	case '[':
		err := jsonscan.EachElement(raw, func(element []byte) error {
			n, ok := parseNumber(element)
			v.list = append(v.list, n)
			if !ok {
				return &badAddend{raw}
			}
			return n.check()
		})
		return v, err
	case '{':
		err := jsonscan.EachMember(raw, func(name, value []byte) error {
			member, err := parseAddend(value)
			v.members = append(v.members, sumMember{string(name), member})
			return err
		})
		return v, err
	}
	n, ok := parseNumber(raw)
	if !ok {
		return nil, &badAddend{raw}
	}
	v.kind, v.n = '1', n
	return v, n.check()
}

// plus adds v, and may make v a part of the sum. raw is v as it came; grown receives how much
// longer the sum gets.
func (a *addend) plus(v *addend, raw []byte, grown *int) (*addend, error) {
	switch {
	case a.kind == '{' && v.kind == '{':
		return a, a.plusMembers(v, raw, grown)
	case a.kind == '{' || v.kind == '{':
		return nil, &badAddend{raw}
	case a.kind == '1' && v.kind == '1':
		a.n = a.n.plus(v.n)
		return a, a.n.check()
	case a.kind == '1':
		*grown += len(raw)
		return v.plus(a, raw, grown)
	case v.kind == '1': // counts as an array of one
		v.list = []number{v.n}
	}
	for i, n := range v.list {
		if i >= len(a.list) {
			a.list = append(a.list, n)
			*grown += 2
			continue
		}
		if a.list[i] = a.list[i].plus(n); !a.list[i].inRange() {
			return nil, errRange
		}
	}
	return a, nil
}

// few is the most members that are searched one by one instead of by a map.
const few = 8

func (a *addend) find(name string) int {
	if a.at == nil && len(a.members) > few {
		a.at = map[string]int{}
		for i := len(a.members) - 1; i >= 0; i-- {
			a.at[a.members[i].name] = i
		}
	}
	if a.at == nil {
		return slices.IndexFunc(a.members, func(m sumMember) bool { return m.name == name })
	}
	if i, found := a.at[name]; found {
		return i
	}
	return -1
}

func (a *addend) plusMembers(v *addend, raw []byte, grown *int) error {
	for _, m := range v.members {
		i := a.find(m.name)
		if i < 0 {
			a.members = append(a.members, m)
			if a.at != nil {
				a.at[m.name] = len(a.members) - 1
			}
			*grown += m.value.length() + len(m.name) + 4
			continue
		}
		sum, err := a.members[i].value.plus(m.value, raw, grown)
		if err != nil {
			return err
		}
		a.members[i].value = sum
	}
	return nil
}

// length is the approximate size of the value in bytes.
func (a *addend) length() int {
	n := 2 + 2*len(a.list)
	for _, m := range a.members {
		n += len(m.name) + 4 + m.value.length()
	}
	return n
}

func (a *addend) appendTo(b []byte) []byte {
	switch a.kind {
	case '[':
		b = append(b, '[')
		for i, n := range a.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = n.appendTo(b)
		}
		return append(b, ']')
	case '{':
		b = append(b, '{')
		for i, m := range a.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = m.value.appendTo(append(jsonscan.AppendString(b, m.name), ':'))
		}
		return append(b, '}')
	}
	return a.n.appendTo(b)
}
