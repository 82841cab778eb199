package bolt

import (
	"bytes"
	"fmt"
	"sync"
	"unsafe"
)

// saneSets holds page sets of finished writers, for reuse.
var saneSets = sync.Pool{New: func() any { return map[uint64]bool{} }}

func (t *tx) putSane() {
	if len(t.sane) < 1<<13 { // do not keep the set of a huge transaction
		clear(t.sane)
		saneSets.Put(t.sane)
	}
	t.sane = nil
}

// check checks everything that a page says of itself: bbolt makes slices from it without
// checking where they end, and frees as many continuation pages as it claims. check allocates
// nothing: writers call it for each page they come to.
func (p *node) check(m *mapped) {
	end := pageHead + p.n*elementLen
	var before []byte
	for i := range p.n {
		key := p.key(i)
		if i > 0 && outOfOrder(key, before, nil) {
			panic(fmt.Sprintf("page %d: key %d is out of order", p.id(), i))
		}
		before = key
		end += len(key)
		if !p.leaf {
			if id := p.child(i); id < 2 || id >= m.high {
				panic(fmt.Sprintf("page %d: element %d leads to page %d of %d", p.id(), i, id, m.high))
			}
			continue
		}
		value, bucket := p.raw(i)
		end += len(value)
		if bucket {
			smallPage(value)
		}
	}
	if pages := (end + int(m.size) - 1) / int(m.size); pages*int(m.size) != len(p.data) {
		panic(fmt.Sprintf("page %d has %d bytes for what takes %d", p.id(), len(p.data), end))
	}
}

// header is the value of an element of the tree of buckets: where a bucket begins.
func (p *node) header(i int) []byte {
	value, bucket := p.raw(i)
	if !bucket {
		panic(fmt.Sprintf("%x is no bucket", p.key(i)))
	}
	return value
}

// smallPage is the checked page of a small bucket, which follows the bucket's header; a bucket
// with pages of its own has none.
func smallPage(value []byte) (p node, small bool) {
	if len(value) < bucketHead {
		panic("a bucket without a root")
	}
	if order.Uint64(value) != 0 {
		return p, false
	}
	data := value[bucketHead:]
	if len(data) < pageHead || order.Uint16(data[8:]) != isLeaf {
		panic("a small bucket without a page")
	}
	p = node{data: data, n: int(order.Uint16(data[10:])), leaf: true}
	for i := range p.n {
		if _, bucket := p.raw(i); bucket || len(p.key(i)) == 0 {
			panic("an entry of a small bucket that can be none")
		}
	}
	return p, true
}

// checkFreelist checks the page of the free list, which a commit frees, and says how many free
// pages it lists.
func (m *mapped) checkFreelist() (free uint64) {
	file := unsafe.Slice((*byte)(m.base), m.high*m.size)
	p, err := openPages(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		panic(err)
	}
	if p.free < 2 || p.free >= m.high {
		panic(fmt.Sprintf("a free list at page %d", p.free))
	}
	head := file[p.free*m.size:][:m.size]
	n, more := uint64(order.Uint16(head[10:])), uint64(order.Uint32(head[12:]))
	if n == 0xFFFF { // the number comes before them
		n = order.Uint64(head[pageHead:])
	}
	// It got its pages for the free ones of before it took them from among these.
	most := n + 1 + more
	if order.Uint64(head) != p.free || order.Uint16(head[8:]) != isFreelist || n > m.high || more >= m.high-p.free || more > (pageHead+8*(most+1))/m.size {
		panic(fmt.Sprintf("page %d is not a free list", p.free))
	}
	return n
}
