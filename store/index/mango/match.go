package mango

import (
	"context"
	"sync"

	"github.com/tododb/tododb/store"
)

// lookEvery is how much work, roughly in bytes examined, passes between two checks of the
// context: some milliseconds. A single document can take long if it and the selector are large.
const lookEvery = 1 << 20

// stepCost is the cost of a condition apart from the bytes that it examines.
const stepCost = 64

// Match reports whether a document matches. An error means that this is unknown: a pattern
// takes too long (*Error), or the context has ended.
func (s *Selector) Match(ctx context.Context, d *store.Document) (bool, error) {
	return s.match(ctx, subject{doc: d})
}

func (s *Selector) match(ctx context.Context, of subject) (bool, error) {
	m := matches.Get().(*match)
	defer matches.Put(m)
	m.ctx, m.err = ctx, nil
	ok := s.root.holds(m, of)
	m.ctx = nil
	return ok && m.err == nil, m.err
}

// match is the judging of one document. Once err is set, results are false, and loops over
// several questions stop.
type match struct {
	ctx  context.Context
	done int // since the last check of the context
	err  error

	key  []byte // room for keys
	text []byte // room for generated members
}

var matches = sync.Pool{New: func() any { return new(match) }}

// spend counts work; false says to stop.
func (m *match) spend(bytes int) bool {
	if m.done += bytes + stepCost; m.done >= lookEvery {
		m.done = 0
		if err := m.ctx.Err(); err != nil && m.err == nil {
			m.err = err
		}
	}
	return m.err == nil
}

// subject is what a condition judges: a document, a value in one, or a document's row in an
// index.
type subject struct {
	doc   *store.Document
	row   *row
	value []byte
}

// size is the most bytes that a search in the subject examines.
func (s *subject) size() int {
	if s.doc != nil {
		return len(s.doc.Body)
	}
	return len(s.value)
}

// row is what an index alone knows of a document.
type row struct {
	id      []byte
	columns []string
	values  [][]byte
}

// condition is one of the parts of a selector.
type condition interface {
	holds(m *match, s subject) bool
}

type all []condition

func (c all) holds(m *match, s subject) bool {
	for _, one := range c {
		if !one.holds(m, s) || m.err != nil {
			return false
		}
	}
	return true
}

type some []condition

func (c some) holds(m *match, s subject) bool {
	for _, one := range c {
		if one.holds(m, s) {
			return true
		}
		if m.err != nil {
			return false
		}
	}
	return false
}

type not struct{ condition }

func (c not) holds(m *match, s subject) bool { return !c.condition.holds(m, s) }

// field judges the value at a path. If there is no value, only exists matches.
type field struct {
	name string
	path path
	test test
}

func (c *field) holds(m *match, s subject) bool {
	if !m.spend(s.size()) {
		return false
	}
	v, how := s.find(m, c.name, c.path)
	return how == there && c.test(m, v)
}

type exists struct {
	name string
	path path
	want bool
}

func (c *exists) holds(m *match, s subject) bool {
	if !m.spend(s.size()) {
		return false
	}
	_, how := s.find(m, c.name, c.path)
	return how == there && c.want || how == missing && !c.want
}

// test judges a value.
type test func(m *match, v []byte) bool
