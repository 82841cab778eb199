package anykey

import (
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// cursor walks a range. Where it meets a link it first walks the node behind it.
type cursor struct {
	r      *reader
	space  engine.Space
	rg     engine.Range
	top    level   // the space
	deeper []level // the nodes that it stands in, the innermost last
	path   []byte  // what the keys of the innermost node follow
	left   int     // entries still to return, negative: all
}

// level is a walk of a space or of a node.
type level struct {
	c        engine.Cursor
	node     []byte // nil: the space
	from, to []byte // the part of the node that the range has
	path     int    // the length of path outside
	found    bool
}

func (r *reader) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	c := &cursor{r: r, space: s, rg: rg, left: -1}
	if rg.Limit > 0 {
		c.left = rg.Limit
	}
	c.top = level{c: r.Reader.Cursor(s, r.span(nil, rg)), from: rg.From, to: rg.To}
	return c
}

func (c *cursor) Next() (k, v []byte, err error) {
	for c.left != 0 {
		l := &c.top
		if n := len(c.deeper); n > 0 {
			l = &c.deeper[n-1]
		}
		if k, v, err = l.c.Next(); err != nil {
			return nil, nil, err
		}
		switch {
		case k == nil && l.node == nil:
			return nil, nil, nil
		case k == nil:
			if err := c.leave(l); err != nil {
				return nil, nil, err
			}
		case len(k) <= c.r.short:
			if l.found = true; c.left > 0 {
				c.left--
			}
			if l.node != nil {
				k = c.whole(k[nodeSize:])
			}
			return k, v, nil
		default:
			if err := c.enter(l, k); err != nil {
				return nil, nil, err
			}
		}
	}
	return nil, nil, nil
}

// whole puts a key together. The caller may keep it until the snapshot ends.
func (c *cursor) whole(rest []byte) []byte {
	if c.rg.Brief {
		k := append(c.path, rest...)
		c.path = k[:len(c.path)]
		return k
	}
	return slices.Concat(c.path, rest)
}

// enter begins the node behind a link.
func (c *cursor) enter(l *level, k []byte) error {
	if !c.r.isLink(k) {
		return damaged("a key of %d bytes", len(k))
	}
	l.found = true
	chunk := k[len(l.node) : len(k)-1]
	in := level{node: nodeAfter(c.space, l.node, chunk), from: within(l.from, chunk), to: within(l.to, chunk), path: len(c.path)}
	rg := c.rg
	rg.From, rg.To, rg.Limit = in.from, in.to, max(c.left, 0)
	in.c = c.r.Reader.Cursor(deep, c.r.span(in.node, rg))
	if c.path == nil {
		c.path = make([]byte, 0, max(len(c.rg.From), len(chunk))+2*len(chunk))
	}
	c.path = append(c.path, chunk...)
	c.deeper = append(c.deeper, in)
	return nil
}

// leave ends a node.
func (c *cursor) leave(l *level) error {
	if !l.found && l.from == nil && l.to == nil {
		return damaged("nothing is behind the link at %.100q", c.path)
	}
	c.path = c.path[:l.path]
	c.deeper = c.deeper[:len(c.deeper)-1]
	return nil
}
