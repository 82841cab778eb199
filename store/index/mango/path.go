package mango

import (
	"errors"
	"strconv"
	"strings"

	"github.com/tododb/tododb/store/jsonscan"
)

// path is a field's name taken apart: "a.b" is a member of a member, a backslash takes a
// dot's meaning away.
type path []string

func parsePath(name string) path {
	var p path
	var part strings.Builder
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '\\' && i+1 < len(name) && name[i+1] == '.':
			part.WriteByte('.')
			i++
		case name[i] == '.':
			p = append(p, part.String())
			part.Reset()
		default:
			part.WriteByte(name[i])
		}
	}
	return append(p, part.String())
}

// found says how a search for a field ended.
type found int

const (
	missing found = iota // the object has no such member
	badPath              // the way leads through something without members, or out of an array
	there
)

var errFound = errors.New("found")

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

func memberOf(v []byte, name string) (value []byte) {
	_ = jsonscan.EachMember(v, func(n, m []byte) error { // v has been checked
		if string(n) == name {
			value = m
			return errFound // members of a stored document do not repeat
		}
		return nil
	})
	return value
}

// Document is what a selector is matched against.
type Document struct {
	ID, Rev string
	Deleted bool
	Body    []byte // JSON object without the members below
}

// find follows a path from a document.
func (p path) findIn(d *Document) ([]byte, found) {
	switch p[0] {
	case "_id":
		return p[1:].find(jsonscan.AppendString(nil, d.ID))
	case "_rev":
		return p[1:].find(jsonscan.AppendString(nil, d.Rev))
	case "_deleted":
		if !d.Deleted {
			return nil, missing
		}
		return p[1:].find([]byte("true"))
	}
	return p.find(d.Body)
}
