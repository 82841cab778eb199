package bolt

import (
	"bytes"
	"fmt"
	"unsafe"
)

// check looks at all that a page says of itself: bbolt makes slices of it without a look at
// where they end, and frees as many pages as it says that it goes on in.
func (p *node) check(m *mapped) {
	pg := page{id: p.id, count: p.n, data: p.data}
	end := pageHead
	if p.leaf {
		list, err := pg.leaves()
		if err != nil {
			panic(err)
		}
		for i, e := range list {
			end += elementLen + len(e.key) + len(e.value)
			if i > 0 && outOfOrder(e.key, list[i-1].key, nil) {
				panic(fmt.Sprintf("page %d: key %d is out of order", p.id, i))
			}
			if e.bucket {
				checkInline(e.value)
			}
		}
	} else {
		list, err := pg.children()
		if err != nil {
			panic(err)
		}
		for i, c := range list {
			end += elementLen + len(c.key)
			if c.id < 2 || c.id >= m.high || i > 0 && outOfOrder(c.key, list[i-1].key, nil) {
				panic(fmt.Sprintf("page %d: element %d is not what it can be", p.id, i))
			}
		}
	}
	if pages := (end + int(m.size) - 1) / int(m.size); pages*int(m.size) != len(p.data) {
		panic(fmt.Sprintf("page %d has %d bytes for what takes %d", p.id, len(p.data), end))
	}
}

// header is the value of an element of the tree of buckets: where one begins.
func (p *node) header(i int) []byte {
	pg := page{id: p.id, count: p.n, data: p.data}
	list, err := pg.leaves()
	if err != nil {
		panic(err)
	}
	if !list[i].bucket {
		panic(fmt.Sprintf("%x is no bucket", list[i].key))
	}
	return list[i].value
}

// checkInline looks at the page of a small bucket, which stands behind its head.
func checkInline(value []byte) {
	if len(value) < bucketHead {
		panic("a bucket without a root")
	}
	if order.Uint64(value) != 0 {
		return // it has pages of its own
	}
	data := value[bucketHead:]
	if len(data) < pageHead || order.Uint16(data[8:]) != isLeaf {
		panic("a small bucket without a page")
	}
	pg := page{count: int(order.Uint16(data[10:])), data: data}
	list, err := pg.leaves()
	if err != nil {
		panic(err)
	}
	for _, e := range list {
		if e.bucket || len(e.key) == 0 {
			panic("an entry of a small bucket that can be none")
		}
	}
}

// checkFreelist looks at the page of the free list, which a commit frees.
func (m *mapped) checkFreelist() {
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
	if n == 0xFFFF { // the number stands before them
		n = order.Uint64(head[pageHead:])
	}
	// It got its pages before it was known how many it would take of the free ones.
	if order.Uint64(head) != p.free || order.Uint16(head[8:]) != isFreelist || n > m.high || more > (pageHead+8*n)/m.size+2 {
		panic(fmt.Sprintf("page %d is no free list", p.free))
	}
}
