package bolt

import (
	"bytes"

	"github.com/tidwall/btree"

	"github.com/tododb/tododb/store/engine"
)

// merged walks a range over a file and the layers above it.
type merged struct {
	r     *reader
	over  layers
	rg    engine.Range
	left  int // entries still to return, negative: all
	begun bool
	s     engine.Space

	layers [3]strand // the newer first
	head   []byte    // the next key of the layers, nil at their end
	pages  *cursor
	k, v   []byte // what pages has next, nil at its end
}

// strand is a layer that is walked.
type strand struct {
	it   btree.IterG[item]
	head item
	more bool // head is there
}

func (r *reader) merged(s engine.Space, rg engine.Range) *merged {
	c := &merged{r: r, over: r.over, rg: rg, s: s, left: rg.Limit}
	if rg.Limit <= 0 {
		c.left = -1
	}
	below := rg
	below.Limit = 0 // nobody knows how many of them are gone
	c.pages = r.paged(s, below)
	return c
}

func (c *merged) begin() (err error) {
	c.begun = true
	for i, t := range []*tree{c.over.top, c.over.below, c.over.oldest} {
		if t == nil || i == 2 && c.s != c.over.of {
			continue
		}
		l := &c.layers[i]
		l.it.Init(t, false)
		switch {
		case !c.rg.Reverse:
			l.more = l.it.Seek(sought(c.s, c.rg.From))
		case c.rg.To == nil:
			l.more = seekBefore(&l.it, item{s: c.s + 1})
		default:
			l.more = seekBefore(&l.it, sought(c.s, c.rg.To))
		}
		c.look(l)
	}
	c.behead()
	c.k, c.v, err = c.pages.Next()
	return err
}

// behead finds the next key of the layers.
func (c *merged) behead() {
	c.head = nil
	for i := range c.layers {
		if l := &c.layers[i]; l.more && (c.head == nil || c.order(l.head.key(), c.head) < 0) {
			c.head = l.head.key()
		}
	}
}

// seekBefore goes to the last item that is below a goal.
func seekBefore(it *btree.IterG[item], goal item) bool {
	if it.Seek(goal) {
		return it.Prev()
	}
	return it.Last()
}

// look takes the item where a layer is, if it is in the range.
func (c *merged) look(l *strand) {
	if !l.more {
		return
	}
	l.head = l.it.Item()
	k := l.head.key()
	switch {
	case l.head.s != c.s:
		l.more = false
	case c.rg.Reverse:
		l.more = c.rg.From == nil || bytes.Compare(k, c.rg.From) >= 0
	default:
		l.more = c.rg.To == nil || bytes.Compare(k, c.rg.To) < 0
	}
}

func (c *merged) advance(l *strand) {
	if c.rg.Reverse {
		l.more = l.it.Prev()
	} else {
		l.more = l.it.Next()
	}
	c.look(l)
}

func (c *merged) Next() (k, v []byte, err error) {
	if c.r.damaged != nil {
		return nil, nil, c.r.damaged
	}
	if c.left == 0 {
		return nil, nil, nil
	}
	if !c.begun {
		if err := c.begin(); err != nil {
			return nil, nil, err
		}
	}
	for {
		at := -1 // how the pages' next key stands to the layers'
		switch {
		case c.k == nil && c.head == nil:
			c.left = 0
			return nil, nil, nil
		case c.k == nil:
			at = 1
		case c.head != nil:
			at = c.order(c.k, c.head)
		}
		k, v = c.k, c.v
		gone := false
		if at >= 0 {
			k, v, gone = c.take()
			if err := c.r.pace.Step(len(v)); err != nil {
				return nil, nil, err
			}
		}
		if at <= 0 {
			if c.k, c.v, err = c.pages.Next(); err != nil {
				return nil, nil, err
			}
		}
		if gone {
			continue
		}
		if c.left > 0 {
			c.left--
		}
		return k, v, nil
	}
}

// take takes the next key off the layers. Of equal ones, the newer counts.
func (c *merged) take() (k, v []byte, gone bool) {
	k = c.head
	for i := range c.layers {
		l := &c.layers[i]
		if !l.more || !bytes.Equal(l.head.key(), k) {
			continue
		}
		if v == nil {
			v, gone = l.head.value(), l.head.gone
		}
		c.advance(l)
	}
	c.behead()
	return k, v, gone
}

// order compares keys in the direction of the range.
func (c *merged) order(a, b []byte) int {
	if c.rg.Reverse {
		return bytes.Compare(b, a)
	}
	return bytes.Compare(a, b)
}
