package mango

import (
	"bytes"
	"fmt"

	"github.com/tododb/tododb/store/document"
	"github.com/tododb/tododb/store/jsonscan"
)

// Put adds the index to its design document, given the document's body, nil if there is none.
// If the index is there already, the new body equals the old one.
func (ix *Index) Put(body []byte) ([]byte, error) {
	fresh := body == nil
	if fresh {
		body = []byte(`{"language":"query"}`)
	}
	if lang := memberOf(body, "language"); string(lang) != `"query"` {
		shown := "false"
		if lang != nil {
			shown = "{" + erlang([]byte(`"language"`), false) + "," + erlang(lang, false) + "}"
		}
		return nil, &Error{"invalid_ddoc_lang", "Existing design doc has an invalid language: " + shown}
	}
	views := memberOf(body, "views")
	if jsonscan.Kind(views) != '{' {
		views = []byte("{}")
	}
	scope := memberOf(object(memberOf(body, "options")), "partitioned")
	body = setMember(body, "views", setMember(views, ix.Name, ix.appendView(nil)))
	switch {
	case string(scope) == ix.scope:
	case fresh:
		body = setMember(body, "options", []byte(`{"partitioned":`+ix.scope+`}`))
	default: // all indexes of a design document are of one kind
		return nil, &Error{"invalid_partitioned_option", "Requested partitioned option does not match existing value on design document " + ix.DDoc}
	}
	return normal(body)
}

// object is a value if it is an object, else an empty one.
func object(v []byte) []byte {
	if jsonscan.Kind(v) == '{' {
		return v
	}
	return []byte("{}")
}

// Remove removes the index from its design document. The result is nil if nothing else is left:
// the document is to be deleted.
func (ix *Index) Remove(body []byte) ([]byte, error) {
	views := setMember(memberOf(body, "views"), ix.Name, nil)
	if len(pairs(views)) == 0 {
		views = nil
	}
	body = setMember(body, "views", views)
	if list := pairs(body); len(list) == 1 && list[0].name == "language" {
		return nil, nil
	}
	return normal(body)
}

// setMember sets a member of an object, in place of one of the same name; nil removes it.
func setMember(object []byte, name string, value []byte) []byte {
	b := []byte{'{'}
	put := func(name string, value []byte) {
		if value == nil {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(jsonscan.AppendString(b, name), ':'), value...)
	}
	done := false
	for _, p := range pairs(object) {
		if p.name == name {
			p.value, done = value, true
		}
		put(p.name, p.value)
	}
	if !done {
		put(name, value)
	}
	return append(b, '}')
}

// normal is a body as it is stored.
func normal(body []byte) ([]byte, error) {
	doc, err := document.Parse(body, document.Options{})
	if err != nil {
		return nil, fmt.Errorf("design document: %w", err)
	}
	return bytes.Clone(doc.Body), nil
}
