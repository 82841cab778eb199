package bolt

import (
	"bytes"
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/tododb/tododb/store/engine"
)

// item is an entry of an overlay: a key with its value, or with the news that it is gone. Key and value
// stand one after the other in memory that never changes. It is kept small: a transaction copies the nodes of the tree
// that it changes, and these are what most of its memory is for.
type item struct {
	p    *byte  // where they begin
	size uint32 // the length of both
	n    uint16 // the length of the key
	s    engine.Space
	gone bool
}

func newItem(s engine.Space, kv []byte, n int, gone bool) item {
	return item{p: unsafe.SliceData(kv), size: uint32(len(kv)), n: uint16(n), s: s, gone: gone}
}

func (it *item) kv() []byte    { return unsafe.Slice(it.p, it.size) }
func (it *item) key() []byte   { return it.kv()[:it.n:it.n] }
func (it *item) value() []byte { return it.kv()[it.n:] }

// sought is the item that a search for a key is made with. No key of an item is as long as the longest that fits, so the
// rest of a longer one makes no difference.
func sought(s engine.Space, k []byte) item {
	k = k[:min(len(k), math.MaxUint16)]
	return newItem(s, k, len(k), false)
}

func before(a, b item) bool {
	if a.s != b.s {
		return a.s < b.s
	}
	return bytes.Compare(a.key(), b.key()) < 0
}

// tree is an overlay: what lies above a file, in the order of spaces and keys. One that others may read does
// not change any more; a copy of it does, and costs nothing before.
type tree = btree.BTreeG[item]

// treeDegree makes for small nodes, since a transaction copies each that it changes.
const treeDegree = 16

func newTree() *tree {
	return btree.NewBTreeGOptions(before, btree.Options{Degree: treeDegree, NoLocks: true})
}

// weight is about what an entry takes in memory besides its bytes.
const weight = 64

// layers is what lies above a file, the newer first. Either may be missing.
type layers struct {
	top   *tree // what was written last
	below *tree // what is on its way into the file
	// oldest is what the file has gathered of a space and not brought to its place there.
	oldest *tree
	of     engine.Space // the space that it is of
	// by is the transaction of the file that has brought all of this there, if it has taken place: whoever
	// reads that one, or a later one, leaves the layers out.
	by int
}

// above are the layers that a reader of a transaction of the file sees.
func (l layers) above(txid int) layers {
	if l.by != 0 && txid >= l.by {
		return layers{}
	}
	return l
}

func (l layers) empty() bool { return l.top == nil && l.below == nil }

// none tells that nothing lies above a space.
func (l *layers) none(s engine.Space) bool {
	return l.top == nil && l.below == nil && (l.oldest == nil || s != l.of)
}

// nothing tells that the layers have no entry of a space, for which it looks into each.
func (l *layers) nothing(s engine.Space) bool {
	if l.oldest != nil && s == l.of {
		return false
	}
	_, top := lastOf(l.top, s)
	_, below := lastOf(l.below, s)
	return !top && !below
}

// get finds a key in the layers.
func (l *layers) get(s engine.Space, k []byte) (it item, there bool) {
	if l.top != nil {
		if it, there = l.top.Get(sought(s, k)); there {
			return it, true
		}
	}
	if l.below != nil {
		if it, there = l.below.Get(sought(s, k)); there {
			return it, true
		}
	}
	if l.oldest != nil && s == l.of {
		it, there = l.oldest.Get(sought(s, k))
	}
	return it, there
}

// lastOf finds the greatest key of a space in one layer.
func lastOf(t *tree, s engine.Space) (it item, there bool) {
	if t == nil {
		return it, false
	}
	t.Descend(item{s: s + 1}, func(found item) bool {
		it, there = found, found.s == s
		return false
	})
	return it, there
}

// Entries stand in a record of the journal as
//
//	space | gone << 7, length of the key, length of the value unless it is gone, key, value
//
// with lengths as varints. An overlay's items point into them.

const goneBit = 0x80

// entrySize is at most what an entry takes in a record.
func entrySize(k, v []byte) int { return 1 + 2*binary.MaxVarintLen32 + len(k) + len(v) }

func appendEntry(b []byte, s engine.Space, k, v []byte, gone bool) ([]byte, item) {
	if gone {
		b = append(b, byte(s)|goneBit)
		b = binary.AppendUvarint(b, uint64(len(k)))
	} else {
		b = append(b, byte(s))
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = binary.AppendUvarint(b, uint64(len(v)))
	}
	from := len(b)
	b = append(append(b, k...), v...)
	return b, newItem(s, b[from:], len(k), gone)
}

// cutEntry takes an entry off the front of a record's entries.
func cutEntry(b []byte) (it item, rest []byte, ok bool) {
	if len(b) == 0 {
		return it, nil, false
	}
	it.s, it.gone = engine.Space(b[0]&^goneBit), b[0]&goneBit != 0
	k, n := binary.Uvarint(b[1:])
	if n <= 0 || k == 0 || k > maxKey || it.s > 31 {
		return it, nil, false
	}
	b = b[1+n:]
	v := uint64(0)
	if !it.gone {
		if v, n = binary.Uvarint(b); n <= 0 || v > maxValue {
			return it, nil, false
		}
		b = b[n:]
	}
	if k+v > uint64(len(b)) {
		return it, nil, false
	}
	return newItem(it.s, b[:k+v], int(k), it.gone), b[k+v:], true
}
