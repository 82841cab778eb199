package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// pages reads a bbolt file page by page. It does not use the map, so nothing faults, and it
// believes nothing that a page says. bbolt itself trusts pages: it panics over most damage, and
// never ends if a page leads back to one above it.
//
// The layout is bbolt's. A page begins with its id (8 bytes), flags (2), the number of elements
// (2), and how many more pages it takes (4).
type pages struct {
	file io.ReaderAt
	size int64  // of a page, in bytes
	high uint64 // the first page that is not in use
	root uint64 // the page where the buckets begin
	free uint64 // the page of the free list
	txid uint64
}

const (
	pageHead   = 16
	elementLen = 16

	isBranch   = 0x01
	isLeaf     = 0x02
	isFreelist = 0x10

	bucketElement = 0x01
	bucketHead    = 16
	metaMagic     = 0xED0CDAED
	metaLen       = 64
	noFreelist    = ^uint64(0)
	maxPages      = 1 << 40
)

var order = binary.NativeEndian

var errNoMeta = errors.New("neither meta page is whole")

// openPages finds the valid meta page: the newest intact one.
func openPages(file io.ReaderAt, fileSize int64) (*pages, error) {
	var best *pages
	first, ok := readMeta(file, 0)
	if ok {
		best = first
		if second, ok := readMeta(file, first.size); ok && second.txid > first.txid {
			best = second
		}
	} else {
		for i := range 16 { // only the first one says where the second one is
			if second, ok := readMeta(file, 1024<<i); ok && second.size == 1024<<i {
				best = second
				break
			}
		}
	}
	switch {
	case best == nil:
		return nil, errNoMeta
	case best.high > maxPages || int64(best.high)*best.size > fileSize:
		return nil, fmt.Errorf("%d bytes where there should be %d pages of %d", fileSize, best.high, best.size)
	}
	return best, nil
}

func readMeta(file io.ReaderAt, at int64) (*pages, bool) {
	b := make([]byte, metaLen)
	if _, err := file.ReadAt(b, at+pageHead); err != nil || order.Uint32(b) != metaMagic {
		return nil, false
	}
	sum := fnv.New64a()
	sum.Write(b[:56])
	p := &pages{
		file: file, size: int64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), free: order.Uint64(b[32:]),
		high: order.Uint64(b[40:]), txid: order.Uint64(b[48:]),
	}
	return p, sum.Sum64() == order.Uint64(b[56:]) && p.size >= 512
}

// page is a page as it was read, with the pages that continue it.
type page struct {
	id    uint64
	flags uint16
	count int
	more  uint64
	data  []byte
}

// read reads a page and its continuation.
func (p *pages) read(id uint64) (page, error) { return p.readInto(nil, id) }

// readInto is read into a buffer that nobody needs any longer, if it is large enough.
func (p *pages) readInto(spare []byte, id uint64) (page, error) {
	if int64(cap(spare)) < p.size {
		spare = make([]byte, p.size)
	}
	pg, err := p.begin(spare[:p.size], id)
	if err != nil || pg.more == 0 {
		return pg, err
	}
	if size := (1 + int64(pg.more)) * p.size; int64(cap(spare)) >= size {
		pg.data = spare[:size]
	} else {
		pg.data = make([]byte, size)
	}
	if _, err := p.file.ReadAt(pg.data, int64(id)*p.size); err != nil {
		return pg, fmt.Errorf("page %d: %w", id, err)
	}
	return pg, nil
}

// begin fills b with the beginning of a page.
func (p *pages) begin(b []byte, id uint64) (page, error) {
	if id < 2 || id >= p.high {
		return page{}, fmt.Errorf("page %d is beyond the last of %d pages", id, p.high)
	}
	if _, err := p.file.ReadAt(b, int64(id)*p.size); err != nil {
		return page{}, fmt.Errorf("page %d: %w", id, err)
	}
	pg := page{id: id, flags: order.Uint16(b[8:]), count: int(order.Uint16(b[10:])), more: uint64(order.Uint32(b[12:])), data: b}
	switch {
	case order.Uint64(b) != id:
		return pg, fmt.Errorf("page %d has the id %d", id, order.Uint64(b))
	case pg.flags != isBranch && pg.flags != isLeaf && pg.flags != isFreelist:
		return pg, fmt.Errorf("page %d has an unknown type", id)
	case pg.more >= p.high-id:
		return pg, fmt.Errorf("page %d extends beyond the end", id)
	}
	return pg, nil
}

// freePages reads the free list.
func (p *pages) freePages() (pg page, ids []uint64, err error) {
	if p.free == noFreelist {
		return pg, nil, errors.New("the free list is missing")
	}
	if pg, err = p.read(p.free); err != nil {
		return pg, nil, err
	}
	if pg.flags != isFreelist {
		return pg, nil, fmt.Errorf("page %d is not a free list", pg.id)
	}
	n, b := uint64(pg.count), pg.data[pageHead:]
	if pg.count == 0xFFFF { // there are more: the number comes before them
		n, b = order.Uint64(b), b[8:]
	}
	if n > uint64(len(b)/8) {
		return pg, nil, fmt.Errorf("page %d: a free list of %d pages does not fit", pg.id, n)
	}
	ids = make([]uint64, n)
	for i := range ids {
		ids[i] = order.Uint64(b[8*i:])
		if ids[i] < 2 || ids[i] >= p.high {
			return pg, nil, fmt.Errorf("page %d: the free list contains page %d", pg.id, ids[i])
		}
	}
	return pg, ids, nil
}

// child is where an element of a branch page leads.
type child struct {
	key []byte
	id  uint64
}

// children are the elements of a branch page, in the room of a list that nobody needs any longer.
func (pg *page) children(spare []child) ([]child, error) {
	list := slices.Grow(spare[:0], pg.count)[:pg.count]
	for i := range list {
		at := pageHead + i*elementLen
		if at+elementLen > len(pg.data) {
			return nil, fmt.Errorf("page %d: %d elements do not fit", pg.id, pg.count)
		}
		e := pg.data[at:]
		key, ok := within(pg.data, at, order.Uint32(e), order.Uint32(e[4:]))
		if !ok {
			return nil, fmt.Errorf("page %d: key %d is outside the page", pg.id, i)
		}
		list[i] = child{key, order.Uint64(e[8:])}
	}
	return list, nil
}

// leaf is an element of a leaf page.
type leaf struct {
	key, value []byte
	bucket     bool
}

func (pg *page) leaves() ([]leaf, error) {
	list := make([]leaf, pg.count)
	for i := range list {
		at := pageHead + i*elementLen
		if at+elementLen > len(pg.data) {
			return nil, fmt.Errorf("page %d: %d elements do not fit", pg.id, pg.count)
		}
		e := pg.data[at:]
		pos, k, v := order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		key, ok := within(pg.data, at, pos, k)
		value, also := within(pg.data, at+int(k), pos, v)
		if !ok || !also {
			return nil, fmt.Errorf("page %d: entry %d is outside the page", pg.id, i)
		}
		list[i] = leaf{key, value, order.Uint32(e)&bucketElement != 0}
	}
	return list, nil
}

// within cuts out the bytes that an element of a page refers to.
func within(data []byte, at int, pos, n uint32) ([]byte, bool) {
	from := int64(at) + int64(pos)
	if from > int64(len(data)) || int64(n) > int64(len(data))-from {
		return nil, false
	}
	return data[from : from+int64(n)], true
}

// outOfOrder reports whether a key is not where it should be: after the one before, and below
// the bound of its page.
func outOfOrder(key, before, bound []byte) bool {
	return len(key) == 0 || before != nil && bytes.Compare(key, before) <= 0 || bound != nil && bytes.Compare(key, bound) >= 0
}

// find is the value of a key in the tree that begins at a page, nil if it has none.
func (p *pages) find(root uint64, k []byte) ([]byte, error) {
	for depth := 0; depth < deepest; depth++ {
		pg, err := p.read(root)
		if err != nil {
			return nil, err
		}
		if pg.flags == isLeaf {
			return pg.get(k)
		}
		if pg.flags != isBranch {
			break
		}
		list, err := pg.children(nil)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			break
		}
		root = list[0].id
		for _, c := range list[1:] {
			if string(c.key) <= string(k) {
				root = c.id
			}
		}
	}
	return nil, fmt.Errorf("page %d leads nowhere", root)
}

func (pg *page) get(k []byte) ([]byte, error) {
	list, err := pg.leaves()
	for _, l := range list {
		if string(l.key) == string(k) {
			return l.value, err
		}
	}
	return nil, err
}
