package bolt

import (
	"bytes"
	"fmt"
	"sort"
	"unsafe"

	"go.etcd.io/bbolt"
)

// mapped is the pages of a transaction in bbolt's map, as they were committed. What is
// wrong with one is a panic, which whoever calls bbolt catches anyway. bbolt's own cursor
// is not used on pages that nobody has looked at: where one leads back to a page above it
// that would fill the stack, and end the process.
type mapped struct {
	base unsafe.Pointer
	size uint64 // of a page, in bytes
	high uint64 // the first page that is not in use
}

func pagesOf(tx *bbolt.Tx) mapped {
	info := tx.DB().Info()
	return mapped{
		base: *(*unsafe.Pointer)(unsafe.Pointer(&info.Data)), // an address outside of Go's memory
		size: uint64(info.PageSize), high: uint64(tx.Size()) / uint64(info.PageSize),
	}
}

// deepest is how many pages lie above each other at the most. With two keys in a page
// that would be more than any disk holds.
const deepest = 40

// node is a page of a tree, and a place in it.
type node struct {
	id   uint64
	data []byte
	n, i int
	leaf bool
}

func (m *mapped) node(id uint64) node {
	if id < 2 || id >= m.high {
		panic(fmt.Sprintf("page %d is beyond the %d that there are", id, m.high))
	}
	at := unsafe.Add(m.base, id*m.size)
	head := unsafe.Slice((*byte)(at), pageHead)
	flags, more := order.Uint16(head[8:]), uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != id || more >= m.high-id || flags != isLeaf && flags != isBranch {
		panic(fmt.Sprintf("page %d is none of a tree", id))
	}
	return node{id: id, data: unsafe.Slice((*byte)(at), (1+more)*m.size), n: int(order.Uint16(head[10:])), leaf: flags == isLeaf}
}

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

// value is the value of an element of a leaf.
func (p *node) value(i int) []byte {
	v, bucket := p.raw(i)
	if bucket {
		panic("a bucket among entries")
	}
	return v
}

// raw is the value of an element of a leaf, and whether it is a bucket.
func (p *node) raw(i int) (v []byte, bucket bool) {
	at := pageHead + i*elementLen
	e := p.data[at : at+elementLen]
	from := at + int(order.Uint32(e[4:])) + int(order.Uint32(e[8:]))
	to := from + int(order.Uint32(e[12:]))
	return p.data[from:to:to], order.Uint32(e) != 0
}

// child is where an element of a branch leads to.
func (p *node) child(i int) uint64 {
	at := pageHead + i*elementLen
	return order.Uint64(p.data[at+8 : at+elementLen])
}

// find is the element of a branch that leads to k, or the first of a leaf that is not
// below it. On a page with keys out of order it errs as bbolt does.
func (p *node) find(k []byte) int {
	exact := false
	i := sort.Search(p.n, func(i int) bool {
		c := bytes.Compare(p.key(i), k)
		exact = exact || c == 0
		return c >= 0
	})
	if !p.leaf && !exact && i > 0 {
		i--
	}
	return i
}

// walker is a place of ours, or one of bbolt's in what was written.
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
	root uint64
	path []node
	keys bool // values are not looked at
}

// down goes from a page to the leaf below it that choose leads to.
func (c *place) down(id uint64, choose func(p *node) int) {
	for {
		if len(c.path) == deepest {
			panic(fmt.Sprintf("more than %d pages above each other", deepest))
		}
		if c.path == nil {
			c.path = make([]node, 0, 6) // few trees are higher
		}
		c.path = append(c.path, c.m.node(id))
		p := c.leaf()
		if p.n == 0 {
			if p.leaf && len(c.path) == 1 { // an empty tree
				return
			}
			panic(fmt.Sprintf("page %d is empty", id))
		}
		if p.i = choose(p); p.leaf {
			return
		}
		id = p.child(p.i)
	}
}

func firstOf(*node) int  { return 0 }
func lastOf(p *node) int { return p.n - 1 }

// to goes to the first entry whose key is not below k; it may stand behind the last one
// of a leaf.
func (c *place) to(k []byte) {
	c.path = c.path[:0]
	c.down(c.root, func(p *node) int { return p.find(k) })
}

// bounds are those of the keys that the leaf at this place may have, nil where there is none.
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
	c.to(k)
	return c.here()
}

func (c *place) First() (k, v []byte) {
	c.path = c.path[:0]
	c.down(c.root, firstOf)
	return c.here()
}

func (c *place) Last() (k, v []byte) {
	c.path = c.path[:0]
	c.down(c.root, lastOf)
	if c.leaf().n == 0 {
		return nil, nil
	}
	return c.here()
}

func (c *place) leaf() *node { return &c.path[len(c.path)-1] }

func (c *place) entry() (k, v []byte) {
	p := c.leaf()
	if !c.keys {
		v = p.value(p.i)
	}
	return p.key(p.i), v
}

// here gives the entry at this place, or the first one of the next leaf if the place is
// behind the last one; nil at the end.
func (c *place) here() (k, v []byte) {
	p := c.leaf()
	if p.i < p.n {
		return c.entry()
	}
	for len(c.path) > 1 {
		c.path = c.path[:len(c.path)-1]
		if p = c.leaf(); p.i+1 < p.n {
			p.i++
			c.down(p.child(p.i), firstOf)
			return c.here()
		}
	}
	c.path = nil
	return nil, nil
}

func (c *place) Next() (k, v []byte) {
	if len(c.path) == 0 {
		return nil, nil
	}
	c.leaf().i++
	return c.here()
}

func (c *place) Prev() (k, v []byte) {
	for len(c.path) > 0 {
		p := c.leaf()
		if p.i > 0 {
			p.i--
			if !p.leaf {
				c.down(p.child(p.i), lastOf)
			}
			return c.entry()
		}
		c.path = c.path[:len(c.path)-1]
	}
	return nil, nil
}
