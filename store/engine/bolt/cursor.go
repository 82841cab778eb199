package bolt

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
)

// cursor walks a range of one space. It returns keys in order, whatever the pages say: a caller
// that reads a range in parts, each from the end of the last, reaches the end.
type cursor struct {
	r     *reader
	walk  walker // nil: nothing there, or at the end
	pages place  // what walk points to, unless this transaction has written
	last  []byte // the key returned before
	rg    engine.Range
	left  int // entries still to return or make ready, negative: all
	begun bool
	ready int // entries after this one, in the same leaf, that may be returned unchecked
	ahead int // how many were checked ahead, if there is no limit
}

// paged is a cursor over the pages, without the layers above them.
func (r *reader) paged(s engine.Space, rg engine.Range) (c *cursor) {
	c = &cursor{r: r, rg: rg, left: rg.Limit}
	if rg.Limit <= 0 {
		c.left = -1
	}
	var spoilt error // Next reports it
	defer r.caught(&spoilt)
	if b := r.own(s); b != nil {
		c.walk = &written{Cursor: b.Cursor()}
	} else if top, there := r.top(s); there {
		c.pages.m, c.pages.top = &r.pages, top
		c.walk = &c.pages
	}
	return c
}

func (c *cursor) Next() (k, v []byte, err error) {
	if c.ready == 0 || c.r.damaged != nil {
		return c.slow()
	}
	c.ready--
	p := c.pages.leaf()
	if c.rg.Reverse {
		p.i--
	} else {
		p.i++
	}
	k, v = p.entry(p.i)
	c.last = k
	return k, v, c.r.pace.Step(len(v))
}

// slow finds the next entry wherever it is, and checks those after it.
func (c *cursor) slow() (k, v []byte, err error) {
	defer c.r.caught(&err)
	if c.r.damaged != nil {
		return nil, nil, c.r.damaged
	}
	if c.walk == nil || c.left == 0 {
		return nil, nil, nil
	}
	switch {
	case !c.begun:
		c.begun = true
		k, v = c.first()
	case c.rg.Reverse:
		k, v = c.walk.Prev()
	default:
		k, v = c.walk.Next()
	}
	if k == nil || c.outside(k) {
		c.walk = nil
		return nil, nil, nil
	}
	if len(k) > bbolt.MaxKeySize {
		return nil, nil, c.r.spoil(fmt.Sprintf("a key of %d bytes", len(k)))
	}
	if c.astray(k) {
		return nil, nil, c.r.spoil(fmt.Sprintf("key %x after %x", k, c.last))
	}
	c.last = k
	if c.left > 0 {
		c.left--
	}
	if err := c.r.give(v); err != nil {
		return nil, nil, err
	}
	if c.pages.path != nil {
		c.lookAhead()
	}
	return k, v, nil
}

// How many entries are checked ahead: few at first, since many ranges are not read to their
// end.
const (
	leastAhead = 4
	mostAhead  = 64
)

// lookAhead checks the following entries of the same leaf, as slow would: they are then ready
// to be returned.
func (c *cursor) lookAhead() {
	p := c.pages.leaf()
	n, step := p.n-1-p.i, 1
	if c.rg.Reverse {
		n, step = p.i, -1
	}
	if c.left >= 0 {
		n = min(n, c.left, mostAhead)
	} else {
		c.ahead = min(max(2*c.ahead, leastAhead), mostAhead)
		n = min(n, c.ahead)
	}
	before := c.last
	for i := p.i + step; c.ready < n; i += step {
		k, v := p.entry(i)
		if len(k) > bbolt.MaxKeySize || len(v) > maxValue || bytes.Compare(k, before) != step {
			break // slow will report it
		}
		before = k
		c.ready++
	}
	for c.ready > 0 && c.outside(p.key(p.i+step*c.ready)) {
		c.ready--
	}
	if c.left > 0 {
		c.left -= c.ready
	}
}

// astray reports that keys are out of order. A caller that reads a range in parts, each from
// the end of the last, might never reach the end.
func (c *cursor) astray(k []byte) bool {
	switch {
	case c.last == nil && c.rg.Reverse:
		return c.rg.To != nil && bytes.Compare(k, c.rg.To) >= 0
	case c.last == nil:
		return c.rg.From != nil && bytes.Compare(k, c.rg.From) < 0
	case c.rg.Reverse:
		return bytes.Compare(k, c.last) >= 0
	}
	return bytes.Compare(k, c.last) <= 0
}

func (c *cursor) first() (k, v []byte) {
	switch {
	case !c.rg.Reverse && c.rg.From == nil:
		return c.walk.First()
	case !c.rg.Reverse:
		return c.walk.Seek(c.rg.From)
	case c.rg.To == nil:
		return c.walk.Last()
	}
	if k, _ = c.walk.Seek(c.rg.To); k == nil {
		return c.walk.Last()
	}
	return c.walk.Prev()
}

func (c *cursor) outside(k []byte) bool {
	if c.rg.Reverse {
		return c.rg.From != nil && bytes.Compare(k, c.rg.From) < 0
	}
	return c.rg.To != nil && bytes.Compare(k, c.rg.To) >= 0
}
