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

	layers [2]strand // the newer first
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
	for i, t := range []*tree{c.over.top, c.over.below} {
		if t == nil {
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
	c.k, c.v, err = c.pages.Next()
	return err
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
		var from *strand // the layer that has the next key first; nil: the pages
		k, v = c.k, c.v
		for i := len(c.layers) - 1; i >= 0; i-- { // of equal keys, the newest counts
			l := &c.layers[i]
			if l.more && (k == nil || c.order(l.head.key(), k) <= 0) {
				from, k = l, l.head.key()
			}
		}
		if k == nil {
			c.left = 0
			return nil, nil, nil
		}
		gone := false
		if from != nil {
			v, gone = from.head.value(), from.head.gone
		}
		for i := range c.layers {
			l := &c.layers[i]
			if l.more && bytes.Equal(l.head.key(), k) {
				c.advance(l)
			}
		}
		if c.k != nil && bytes.Equal(c.k, k) {
			if c.k, c.v, err = c.pages.Next(); err != nil {
				return nil, nil, err
			}
		}
		if from != nil {
			if err := c.r.pace.Step(len(v)); err != nil {
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

// order compares keys in the direction of the range.
func (c *merged) order(a, b []byte) int {
	if c.rg.Reverse {
		return bytes.Compare(b, a)
	}
	return bytes.Compare(a, b)
}
