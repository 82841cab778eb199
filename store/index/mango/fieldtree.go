package mango

import (
	"strconv"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/jsonscan"
)

// fieldTree holds the paths of many fields, to find their values in one pass over a document.
// Looking for each by itself would take time with the product of both.
type fieldTree struct {
	ends []int // the fields whose paths end here
	next map[string]*fieldTree
}

// add adds a field's path.
func (t *fieldTree) add(p path, field int) {
	for _, name := range p {
		if t.next == nil {
			t.next = map[string]*fieldTree{}
		}
		below := t.next[name]
		if below == nil {
			below = &fieldTree{}
			t.next[name] = below
		}
		t = below
	}
	t.ends = append(t.ends, field)
}

// document sets the values of the fields that a document has.
func (t *fieldTree) document(m *match, d *store.Document, values [][]byte) {
	t.value(d.Body, values)
	for name, below := range t.next {
		if name[0] != '_' {
			continue
		}
		m.text = nil // generated values must last
		if v, how := (path{name}).findIn(m, d); how == there {
			below.value(v, values)
		}
	}
}

// value sets the fields that a value has.
func (t *fieldTree) value(v []byte, values [][]byte) {
	for _, field := range t.ends {
		if values[field] == nil {
			values[field] = v
		}
	}
	if len(t.next) == 0 {
		return
	}
	switch jsonscan.Kind(v) {
	case '{':
		_ = jsonscan.EachMember(v, func(name, value []byte) error { // v has been checked
			if below := t.next[string(name)]; below != nil {
				below.value(value, values)
			}
			return nil
		})
	case '[':
		list := elements(v)
		for name, below := range t.next {
			if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(list) {
				below.value(list[n], values)
			}
		}
	}
}
