package view

import (
	"fmt"
	"slices"

	"github.com/tododb/tododb/store/jsonscan"
)

// BuildError says why an index cannot be built, in CouchDB's words.
type BuildError struct{ Word, Reason string }

func (e *BuildError) Error() string { return e.Word + ": " + e.Reason }

// statsReducer is _stats: sum, count, minimum, maximum and sum of squares. It takes numbers,
// figures computed earlier, or arrays of either, element by element.
type statsReducer struct {
	list  bool
	all   []figures // one, unless list is set
	wrong []byte    // the error that is the result: a figure is out of range
}

type figures struct{ sum, count, min, max, sumsqr number }

func (s *statsReducer) Close() {}
func (s *statsReducer) Reset() { s.list, s.all, s.wrong = false, s.all[:0], nil }

func (s *statsReducer) Add(_, _, value []byte) error {
	if s.wrong != nil {
		return nil
	}
	if jsonscan.Kind(value) != '[' {
		f, err := figuresOf(value)
		if err != nil {
			return err
		}
		return s.take(0, len(s.all) == 0, false, &f)
	}
	n, first := 0, len(s.all) == 0
	err := jsonscan.EachElement(value, func(element []byte) error {
		f, err := figuresOf(element)
		if err != nil {
			return err
		}
		n++
		return s.take(n-1, first, true, &f)
	})
	if err == nil && n != len(s.all) {
		err = &BuildError{"invalid_value", "_stats needs arrays of one length"}
	}
	return err
}

func (s *statsReducer) take(i int, first, list bool, f *figures) error {
	switch {
	case first && i == len(s.all):
		s.list = list
		s.all = append(s.all, *f)
	case list != s.list || i >= len(s.all):
		return &BuildError{"invalid_value", "_stats cannot take values of different shapes together"}
	default:
		s.all[i].merge(f)
	}
	if !s.all[i].inRange() && s.wrong == nil {
		s.wrong = rangeFailure("_stats")
	}
	return nil
}

func (f *figures) inRange() bool {
	return f.sum.inRange() && f.count.inRange() && f.min.inRange() && f.max.inRange() && f.sumsqr.inRange()
}

func (f *figures) merge(g *figures) {
	f.sum.add(&g.sum)
	f.count.add(&g.count)
	f.sumsqr.add(&g.sumsqr)
	if g.min.less(&f.min) {
		f.min = g.min
	}
	if f.max.less(&g.max) {
		f.max = g.max
	}
}

func figuresOf(value []byte) (f figures, err error) {
	if n, ok := parseNumber(value); ok {
		return figures{sum: n, count: number{i: 1}, min: n, max: n, sumsqr: n.squared()}, nil
	}
	if f.parse(value) {
		return f, nil
	}
	found := 0
	if jsonscan.Kind(value) == '{' {
		err = jsonscan.EachMember(value, func(name, v []byte) error {
			into := f.member(string(name))
			if into == nil {
				return nil
			}
			n, ok := parseNumber(v)
			if !ok {
				return &BuildError{"invalid_value", fmt.Sprintf("user _stats input is not valid: %s", value)}
			}
			*into = n
			found++
			return nil
		})
		if err == nil && found < 5 {
			err = &BuildError{"invalid_value", fmt.Sprintf("user _stats input missing required field: %s", value)}
		}
		return f, err
	}
	return f, &BuildError{"invalid_value", fmt.Sprintf("non-numeric _stats input: %s", value)}
}

func (f *figures) member(name string) *number {
	switch name {
	case "sum":
		return &f.sum
	case "count":
		return &f.count
	case "min":
		return &f.min
	case "max":
		return &f.max
	case "sumsqr":
		return &f.sumsqr
	}
	return nil
}

// parse reads figures as appendTo writes them, which is the usual form; false for any other.
func (f *figures) parse(value []byte) bool {
	into := [...]*number{&f.sum, &f.count, &f.min, &f.max, &f.sumsqr}
	for i, n := range into {
		name := figureNames[i]
		if len(value) < len(name) || string(value[:len(name)]) != name {
			return false
		}
		value = value[len(name):]
		end := 0
		for end < len(value) && value[end] != ',' && value[end] != '}' {
			end++
		}
		var ok bool
		if *n, ok = parseNumber(value[:end]); !ok {
			return false
		}
		value = value[end:]
	}
	return string(value) == "}"
}

// figureNames stand before the figures.
var figureNames = [...]string{`{"sum":`, `,"count":`, `,"min":`, `,"max":`, `,"sumsqr":`}

// A partial result is the result, or ! and the error.

func (s *statsReducer) Merge(p []byte) error {
	if len(p) > 0 && p[0] == '!' {
		if s.wrong == nil {
			s.wrong = slices.Clone(p[1:])
		}
		return nil
	}
	return s.Add(nil, nil, p)
}

func (s *statsReducer) AppendPartial(dst []byte) ([]byte, error) {
	if s.wrong != nil {
		dst = append(dst, '!')
	}
	return s.AppendResult(dst)
}

func (s *statsReducer) AppendResult(dst []byte) ([]byte, error) {
	if s.wrong != nil {
		return append(dst, s.wrong...), nil
	}
	if s.list {
		dst = append(dst, '[')
	}
	for i := range s.all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.all[i].appendTo(dst)
	}
	if s.list {
		dst = append(dst, ']')
	}
	return dst, nil
}

func (f *figures) appendTo(b []byte) []byte {
	for i, n := range [...]*number{&f.sum, &f.count, &f.min, &f.max, &f.sumsqr} {
		b = n.appendTo(append(b, figureNames[i]...))
	}
	return append(b, '}')
}
