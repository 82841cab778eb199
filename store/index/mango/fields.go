package mango

import (
	"errors"

	"github.com/tododb/tododb/store/jsonscan"
)

// Fields says what to show of a document.
type Fields struct{ paths []path }

// CompileFields reads an array of field names; an empty one is nil, everything.
func CompileFields(raw []byte) (*Fields, error) {
	if jsonscan.Kind(raw) != '[' {
		return nil, errors.New("fields must be an array")
	}
	f := &Fields{}
	err := jsonscan.EachElement(raw, func(e []byte) error {
		name, err := jsonscan.Text(e)
		f.paths = append(f.paths, parsePath(name))
		return err
	})
	if err != nil || len(f.paths) == 0 {
		return nil, err
	}
	return f, nil
}

// shown is an object under construction: its members in the order in which they came.
type shown struct {
	names  []string
	values []any // []byte or *shown
}

func (s *shown) put(p path, value []byte) {
	for i, name := range s.names {
		if name != p[0] {
			continue
		}
		if below, ok := s.values[i].(*shown); ok && len(p) > 1 {
			below.put(p[1:], value)
		}
		return // the whole is there already
	}
	s.names = append(s.names, p[0])
	if len(p) == 1 {
		s.values = append(s.values, value)
		return
	}
	below := &shown{}
	below.put(p[1:], value)
	s.values = append(s.values, below)
}

func (s *shown) appendTo(b []byte) []byte {
	b = append(b, '{')
	for i, name := range s.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsonscan.AppendString(b, name), ':')
		switch v := s.values[i].(type) {
		case *shown:
			b = v.appendTo(b)
		case []byte:
			b = append(b, v...)
		}
	}
	return append(b, '}')
}

// Append appends the JSON of what is to be shown of a document; what it does not have is
// left out.
func (f *Fields) Append(b []byte, d *Document) []byte {
	var s shown
	for _, p := range f.paths {
		if v, how := p.findIn(d); how == there {
			s.put(p, v)
		}
	}
	return s.appendTo(b)
}
