package bolt

import (
	"bytes"
	"fmt"
	"unsafe"

	"go.etcd.io/bbolt"
)

// mapped is the committed pages of a transaction in bbolt's map. A faulty page causes a panic,
// which callers of bbolt catch anyway. bbolt's own cursor is not used on unchecked pages: one
// that leads back to a page above it would overflow the stack and end the process.
type mapped struct {
	base unsafe.Pointer
	size uint64 // of a page, in bytes
	high uint64 // the first page that is not in use
}

func pagesOf(tx *bbolt.Tx) mapped {
	info := tx.DB().Info()
	return mapped{
		base: *(*unsafe.Pointer)(unsafe.Pointer(&info.Data)), // an address outside Go's memory
		size: uint64(info.PageSize), high: uint64(tx.Size()) / uint64(info.PageSize),
	}
}

// deepest is the greatest depth of a tree. Even with two keys in a page, that is more than any
// disk holds.
const deepest = 40

// node is a page of a tree, and a position in it.
type node struct {
	data []byte
	n, i int
	leaf bool
}

func (m *mapped) node(id uint64) node {
	if id < 2 || id >= m.high {
		panic(fmt.Sprintf("page %d is beyond the last of %d pages", id, m.high))
	}
	at := unsafe.Add(m.base, id*m.size)
	head := unsafe.Slice((*byte)(at), pageHead)
	flags, more := order.Uint16(head[8:]), uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != id || more >= m.high-id || flags != isLeaf && flags != isBranch {
		panic(fmt.Sprintf("page %d is none of a tree", id))
	}
	return node{data: unsafe.Slice((*byte)(at), (1+more)*m.size), n: int(order.Uint16(head[10:])), leaf: flags == isLeaf}
}

// id is the id of a page that node returned.
func (p *node) id() uint64 { return order.Uint64(p.data) }

// key is the key of an element.
func (p *node) key(i int) []byte {
	at := pageHead + i*elementLen
	e := p.data[at : at+elementLen]
	if p.leaf {
		from := at + int(order.Uint32(e[4:]))
		to := from + int(order.Uint32(e[8:]))
		return p.data[from:to:to]
	}
	from := at + int(order.Uint32(e))
	to := from + int(order.Uint32(e[4:]))
	return p.data[from:to:to]
}

// entry is an element of a leaf.
func (p *node) entry(i int) (k, v []byte) {
	at := pageHead + i*elementLen
	e := p.data[at : at+elementLen]
	if order.Uint32(e) != 0 {
		panic("a bucket among entries")
	}
	from := at + int(order.Uint32(e[4:]))
	mid := from + int(order.Uint32(e[8:]))
	to := mid + int(order.Uint32(e[12:]))
	return p.data[from:mid:mid], p.data[mid:to:to]
}

// raw is the value of an element of a leaf, and whether it is a bucket.
func (p *node) raw(i int) (v []byte, bucket bool) {
	at := pageHead + i*elementLen
	e := p.data[at : at+elementLen]
	from := at + int(order.Uint32(e[4:])) + int(order.Uint32(e[8:]))
	to := from + int(order.Uint32(e[12:]))
	return p.data[from:to:to], order.Uint32(e) != 0
}

// child is where an element of a branch leads.
func (p *node) child(i int) uint64 {
	at := pageHead + i*elementLen
	return order.Uint64(p.data[at+8 : at+elementLen])
}

// find is the element of a branch that leads to k, or the first element of a leaf that is not
// below k, and whether its key is k.
func (p *node) find(k []byte) (i int, exact bool) {
	from, to := 0, p.n
	for from < to {
		mid := int(uint(from+to) >> 1)
		switch c := bytes.Compare(p.key(mid), k); {
		case c == 0:
			return mid, true
		case c < 0:
			from = mid + 1
		default:
			to = mid
		}
	}
	if !p.leaf && from > 0 {
		from--
	}
	return from, false
}

// goal is where a descent in a tree ends.
type goal struct {
	end int    // -1: the first entry, 1: the last one
	key []byte // else the first entry that is not below this
}

var toFirst, toLast = goal{end: -1}, goal{end: 1}

// choose sets the position in a page on the way; depth is how many pages are above it.
func (g *goal) choose(p *node, depth int) (exact bool) {
	switch {
	case p.n == 0 && p.leaf && depth == 0: // an empty tree
		return false
	case p.n == 0:
		panic(fmt.Sprintf("page %d is empty", p.id()))
	case depth == deepest:
		panic(fmt.Sprintf("more than %d pages above each other", deepest))
	case g.end < 0:
		p.i = 0
	case g.end > 0:
		p.i = p.n - 1
	default:
		p.i, exact = p.find(g.key)
	}
	return exact
}

// leaf goes down from a page to a leaf, and reports whether it has the key.
func (m *mapped) leaf(top node, g goal) (p node, exact bool) {
	p = top
	for depth := 0; ; depth++ {
		if exact = g.choose(&p, depth); p.leaf {
			return p, exact
		}
		p = m.node(p.child(p.i))
	}
}

// walker is a place on our pages, or a bbolt cursor in what was written.
type walker interface {
	First() (k, v []byte)
	Last() (k, v []byte)
	Seek(k []byte) (key, v []byte)
	Next() (k, v []byte)
	Prev() (k, v []byte)
}

// place walks a tree.
type place struct {
	m    *mapped
	top  node
	path []node
	keys bool    // values are not looked at
	room [4]node // for path: few trees are higher
}

// begin goes from the top of the tree to a leaf.
func (c *place) begin(g goal) {
	if c.path == nil {
		c.path = c.room[:0]
	}
	c.path = append(c.path[:0], c.top)
	c.down(g)
}

// down continues from the last page of the path.
func (c *place) down(g goal) {
	for {
		p := c.leaf()
		if g.choose(p, len(c.path)-1); p.leaf {
			return
		}
		c.path = append(c.path, c.m.node(p.child(p.i)))
	}
}

// bounds are the bounds of the keys that the leaf here may have, nil if there is none.
func (c *place) bounds() (from, to []byte) {
	for i := range c.path[:len(c.path)-1] {
		p := &c.path[i]
		if p.i > 0 {
			from = p.key(p.i)
		}
		if p.i+1 < p.n {
			to = p.key(p.i + 1)
		}
	}
	return from, to
}

func (c *place) Seek(k []byte) ([]byte, []byte) {
	c.begin(goal{key: k})
	return c.here()
}

func (c *place) First() (k, v []byte) {
	c.begin(toFirst)
	return c.here()
}

func (c *place) Last() (k, v []byte) {
	c.begin(toLast)
	return c.here()
}

func (c *place) leaf() *node { return &c.path[len(c.path)-1] }

func (c *place) entry(p *node) (k, v []byte) {
	if c.keys {
		return p.key(p.i), nil
	}
	return p.entry(p.i)
}

// here returns the entry at this place, or the first of the next leaf if the place is after the
// last entry; nil at the end.
func (c *place) here() (k, v []byte) {
	p := c.leaf()
	if p.i < p.n {
		return c.entry(p)
	}
	for len(c.path) > 1 {
		c.path = c.path[:len(c.path)-1]
		if p = c.leaf(); p.i+1 < p.n {
			p.i++
			c.path = append(c.path, c.m.node(p.child(p.i)))
			c.down(toFirst)
			return c.here()
		}
	}
	c.path = c.path[:0]
	return nil, nil
}

func (c *place) Next() (k, v []byte) {
	if len(c.path) == 0 {
		return nil, nil
	}
	p := c.leaf()
	if p.i++; p.i < p.n {
		return c.entry(p)
	}
	return c.here()
}

func (c *place) Prev() (k, v []byte) {
	for len(c.path) > 0 {
		p := c.leaf()
		if p.i > 0 {
			p.i--
			if !p.leaf {
				c.path = append(c.path, c.m.node(p.child(p.i)))
				c.down(toLast)
				p = c.leaf()
			}
			return c.entry(p)
		}
		c.path = c.path[:len(c.path)-1]
	}
	return nil, nil
}
