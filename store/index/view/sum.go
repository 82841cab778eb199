package view

import (
	"github.com/tododb/tododb/store/jsonscan"
)

// sumReducer is _sum: it adds numbers, arrays of numbers element by element, and objects
// of all these member by member. A value that cannot be added makes an error the result.
type sumReducer struct {
	value *addend // nil: nothing yet
	wrong []byte  // the error that is the result
}

// addend is a value that can be added.
type addend struct {
	kind    byte // '1', '[' or '{'
	n       number
	list    []number
	members []sumMember
}

type sumMember struct {
	name  string
	value *addend
}

const sumReason = "The _sum function requires that map values be numbers, arrays of numbers, or objects. " +
	"Objects cannot be mixed with other data structures. Objects can be arbitrarily nested, " +
	"provided that the values for all fields are themselves numbers, arrays of numbers, or objects."

// badAddend is a value that cannot be added.
type badAddend struct{ value []byte }

func (e *badAddend) Error() string { return sumReason }

func (s *sumReducer) Close() {}
func (s *sumReducer) Reset() { s.value, s.wrong = nil, nil }

func (s *sumReducer) Add(_, _, value []byte) error {
	if s.wrong != nil {
		return nil
	}
	if n, ok := parseNumber(value); ok && (s.value == nil || s.value.kind == '1') {
		if s.value == nil {
			s.value = &addend{kind: '1'}
		}
		s.value.n = s.value.n.plus(n)
		return nil
	}
	v, err := parseAddend(value)
	if err == nil && s.value != nil {
		v, err = s.value.plus(v, value)
	}
	if bad, ok := err.(*badAddend); ok {
		s.wrong = append(s.wrong, `{"error":"builtin_reduce_error","reason":`...)
		s.wrong = jsonscan.AppendString(s.wrong, sumReason)
		s.wrong = append(append(s.wrong, `,"caused_by":`...), bad.value...)
		s.wrong = append(s.wrong, '}')
		return nil
	}
	s.value = v
	return err
}

// A partial result is the value, or ! and the error.

func (s *sumReducer) Merge(p []byte) error {
	if s.wrong != nil {
		return nil
	}
	if len(p) > 0 && p[0] == '!' {
		s.wrong = append(s.wrong, p[1:]...)
		return nil
	}
	return s.Add(nil, nil, p)
}

func (s *sumReducer) AppendPartial(dst []byte) ([]byte, error) {
	if s.wrong != nil {
		dst = append(dst, '!')
	}
	return s.AppendResult(dst)
}

func (s *sumReducer) AppendResult(dst []byte) ([]byte, error) {
	switch {
	case s.wrong != nil:
		return append(dst, s.wrong...), nil
	case s.value == nil:
		return append(dst, '0'), nil
	}
	return s.value.appendTo(dst), nil
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
			return nil
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
	return v, nil
}

// plus adds; v may become part of the sum. raw is v as it came.
func (a *addend) plus(v *addend, raw []byte) (*addend, error) {
	switch {
	case a.kind == '{' && v.kind == '{':
		return a, a.plusMembers(v, raw)
	case a.kind == '{' || v.kind == '{':
		return nil, &badAddend{raw}
	case a.kind == '1' && v.kind == '1':
		a.n = a.n.plus(v.n)
		return a, nil
	case a.kind == '1':
		return v.plus(a, raw)
	case v.kind == '1': // it counts as an array of one
		v.list = []number{v.n}
	}
	for i, n := range v.list {
		if i < len(a.list) {
			a.list[i] = a.list[i].plus(n)
		} else {
			a.list = append(a.list, n)
		}
	}
	return a, nil
}

func (a *addend) plusMembers(v *addend, raw []byte) error {
	for _, m := range v.members {
		found := false
		for i := range a.members {
			if a.members[i].name != m.name {
				continue
			}
			sum, err := a.members[i].value.plus(m.value, raw)
			if err != nil {
				return err
			}
			a.members[i].value, found = sum, true
			break
		}
		if !found {
			a.members = append(a.members, m)
		}
	}
	return nil
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
