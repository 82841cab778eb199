package mango

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// path is a field's name taken apart: "a.b" is a member of a member; a backslash makes a dot an
// ordinary character.
type path []string

// parsePath takes a name apart (mango_util.erl, parse_field): no part of it may be empty. The
// empty name stands for the value itself.
func parsePath(name string) (path, error) {
	if name == "" {
		return nil, nil
	}
	var p path
	var part strings.Builder
	for i := 0; i <= len(name); i++ {
		switch {
		case i == len(name), name[i] == '.' && (i == 0 || name[i-1] != '\\'):
			if part.Len() == 0 {
				return nil, &Error{"invalid_field_name", "Invalid field name: " + strings.ToValidUTF8(name, "\ufffd")}
			}
			if len(p) == maxDepth {
				return nil, &Error{"invalid_field_name", fmt.Sprintf("The name of a field has more than %d parts.", maxDepth)}
			}
			p = append(p, part.String())
			part.Reset()
		case name[i] != '\\':
			part.WriteByte(name[i])
		}
	}
	return p, nil
}

// found says how a search for a field ended.
type found int

const (
	missing found = iota // the object has no such member
	badPath              // the path leads through something without members, or out of an array
	there
)

// find looks for a field of a subject.
func (s *subject) find(m *match, name string, p path) ([]byte, found) {
	switch {
	case s.row != nil:
		return s.row.find(m, name)
	case s.doc == nil:
		return p.find(s.value)
	}
	return p.findIn(m, s.doc)
}

// find looks for a field among the columns: a row is asked only for those and for _id.
func (r *row) find(m *match, name string) ([]byte, found) {
	for i, c := range r.columns {
		if c == name {
			return r.values[i], there
		}
	}
	if name == "_id" {
		m.text = jsonscan.AppendString(m.text[:0], r.id)
		return m.text, there
	}
	return nil, missing
}

// find follows a path from a value.
func (p path) find(v []byte) ([]byte, found) {
	for i, name := range p {
		switch jsonscan.Kind(v) {
		case '{':
			next := memberOf(v, name)
			if next == nil {
				return nil, missing
			}
			v = next
		case '[':
			n, err := strconv.Atoi(name)
			list := elements(v)
			if err != nil || n < 0 || n >= len(list) {
				return nil, badPath
			}
			v = list[n]
		default:
			if i == 0 {
				return nil, missing
			}
			return nil, badPath
		}
	}
	return v, there
}

// memberOf finds a member of a checked object; nil if there is none. Members of a stored
// document do not repeat.
func memberOf(v []byte, name string) []byte {
	for i := jsonscan.Space(v, 1); i < len(v) && v[i] == '"'; i = jsonscan.Space(v, i+1) {
		end, escaped, err := jsonscan.SkipString(v, i)
		if err != nil {
			return nil
		}
		same := string(v[i+1:end-1]) == name
		if escaped {
			same = string(jsonscan.AppendText(nil, v[i:end])) == name
		}
		if i = jsonscan.Space(v, end); i >= len(v) { // at the colon
			return nil
		}
		i = jsonscan.Space(v, i+1)
		if end, err = jsonscan.Skip(v, i); err != nil {
			return nil
		}
		if same {
			return v[i:end]
		}
		if i = jsonscan.Space(v, end); i >= len(v) || v[i] != ',' {
			return nil
		}
	}
	return nil
}

// findIn follows a path from a document.
func (p path) findIn(m *match, d *store.Document) ([]byte, found) {
	if len(p) == 0 { // a condition of no field: no document meets it
		return nil, badPath
	}
	if p[0][0] != '_' {
		return p.find(d.Body)
	}
	var v []byte
	switch p[0] {
	case "_id":
		m.text = jsonscan.AppendString(m.text[:0], d.ID)
		v = m.text
	case "_rev":
		m.text = append(d.Rev.AppendTo(append(m.text[:0], '"')), '"')
		v = m.text
	case "_deleted":
		if d.Deleted {
			v = []byte("true")
		}
	case "_attachments", "_conflicts":
		if len(d.Attachments) > 0 || len(d.Conflicts) > 0 {
			bare := store.Document{Attachments: d.Attachments, Conflicts: d.Conflicts, Body: []byte("{}")}
			v = bytes.Clone(memberOf(bare.AppendJSON(nil, store.JSONOptions{}), p[0]))
		}
	}
	if v == nil {
		return nil, missing
	}
	return p[1:].find(v)
}
