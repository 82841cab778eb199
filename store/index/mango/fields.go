package mango

import (
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// Fields says what to show of a document; nil is everything.
type Fields struct {
	names []string
	paths []path
}

// CompileFields reads an array of field names, JSON that has been checked; an empty one
// is nil: *Error.
func CompileFields(raw []byte) (*Fields, error) {
	if jsonscan.Kind(raw) != '[' {
		return nil, &Error{"invalid_fields", "Fields must be an array of strings, not: " + erlang(raw, false)}
	}
	f := &Fields{}
	for _, e := range elements(raw) {
		if jsonscan.Kind(e) != '"' {
			return nil, &Error{"invalid_field", "Invalid JSON for field spec: " + erlang(e, false)}
		}
		p, err := parsePath(text(e))
		if err != nil {
			return nil, err
		}
		f.names, f.paths = append(f.names, text(e)), append(f.paths, p)
	}
	if len(f.paths) == 0 {
		return nil, nil
	}
	return f, nil
}

// Names lists the fields.
func (f *Fields) Names() []string {
	if f == nil {
		return nil
	}
	return f.names
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
		} else if ok {
			s.values[i] = value // the whole, in place of a part
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
func (f *Fields) Append(b []byte, d *store.Document) []byte {
	return f.append(b, subject{doc: d})
}

func (f *Fields) append(b []byte, of subject) []byte {
	m := matches.Get().(*match)
	defer matches.Put(m)
	if len(f.paths) == 1 && len(f.paths[0]) == 1 {
		v, how := of.find(m, f.names[0], f.paths[0])
		if how != there {
			return append(b, "{}"...)
		}
		b = append(jsonscan.AppendString(append(b, '{'), f.paths[0][0]), ':')
		return append(append(b, v...), '}')
	}
	var s shown
	for i, p := range f.paths {
		m.text = nil // each value that has to be made is kept until the end
		if v, how := of.find(m, f.names[i], p); how == there {
			if len(p) == 0 {
				continue
			}
			s.put(p, v)
		}
	}
	return s.appendTo(b)
}
