package mango

import (
	"fmt"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// Fields says what to show of a document; nil is everything.
type Fields struct {
	names []string
	paths []path
	first []int // the indexes of fields, without repetitions
	tree  fieldTree
}

const (
	// maxFields is the most fields that a query may ask for.
	maxFields = 100_000
	// maxParts is the most parts that all their names may have together.
	maxParts = 4 * maxFields
)

// CompileFields reads an array of field names, JSON that has been checked; an empty one is nil.
// The error is an *Error.
func CompileFields(raw []byte) (*Fields, error) {
	if jsonscan.Kind(raw) != '[' {
		return nil, &Error{"invalid_fields", "Fields must be an array of strings, not: " + erlang(raw, false)}
	}
	f := &Fields{}
	list := elements(raw)
	if len(list) > maxFields {
		return nil, &Error{"invalid_fields", fmt.Sprintf("There are more than %d fields.", maxFields)}
	}
	seen, parts := map[string]bool{}, 0
	for _, e := range list {
		if jsonscan.Kind(e) != '"' {
			return nil, &Error{"invalid_field", "Invalid JSON for field spec: " + erlang(e, false)}
		}
		p, err := parsePath(text(e))
		if err != nil {
			return nil, err
		}
		if parts += len(p); parts > maxParts {
			return nil, &Error{"invalid_fields", fmt.Sprintf("The names of the fields have more than %d parts.", maxParts)}
		}
		name := text(e)
		f.names, f.paths = append(f.names, name), append(f.paths, p)
		if n := len(f.names) - 1; len(p) > 0 && !seen[name] {
			seen[name] = true
			f.first = append(f.first, n)
			f.tree.add(p, n)
		}
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

// shown is an object under construction: its members in order of arrival.
type shown struct {
	names  []string
	values []any          // []byte or *shown
	at     map[string]int // indexes of names, once there are several
}

// find returns the index of a name; negative if there is none.
func (s *shown) find(name string) int {
	if s.at == nil {
		return slices.Index(s.names, name)
	}
	if i, found := s.at[name]; found {
		return i
	}
	return -1
}

// few is the most names that are searched one by one instead of by a map.
const few = 8

func (s *shown) add(name string, value any) {
	s.names, s.values = append(s.names, name), append(s.values, value)
	switch {
	case s.at != nil:
		s.at[name] = len(s.names) - 1
	case len(s.names) > few:
		s.at = map[string]int{}
		for i, n := range s.names {
			s.at[n] = i
		}
	}
}

func (s *shown) put(p path, value []byte) {
	if i := s.find(p[0]); i >= 0 {
		if below, ok := s.values[i].(*shown); ok && len(p) > 1 {
			below.put(p[1:], value)
		} else if ok {
			s.values[i] = value // the whole, in place of a part
		}
		return // the whole is there already
	}
	if len(p) == 1 {
		s.add(p[0], value)
		return
	}
	below := &shown{}
	below.put(p[1:], value)
	s.add(p[0], below)
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

// Append appends the JSON of what to show of a document; fields that it lacks are left out.
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
	if of.doc != nil && len(f.first) > few {
		values := make([][]byte, len(f.paths))
		f.tree.document(m, of.doc, values)
		for _, i := range f.first {
			if values[i] != nil {
				s.put(f.paths[i], values[i])
			}
		}
		return s.appendTo(b)
	}
	for _, i := range f.first {
		m.text = nil // generated values must last until the end
		if v, how := of.find(m, f.names[i], f.paths[i]); how == there {
			s.put(f.paths[i], v)
		}
	}
	return s.appendTo(b)
}
