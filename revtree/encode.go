package revtree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// encodingVersion is the first byte of an encoded tree.
const encodingVersion = 1

// Flags of an encoded node.
const (
	flagDeleted = 1 << iota
	flagData    // data follows
	flagHash    // the ID is 16 bytes
	flagNext    // the parent is the node before
	flagRoot    // there is no parent
	flagsEnd
)

// ErrCorrupt says that the bytes are not an encoded tree.
var ErrCorrupt = errors.New("malformed revision tree")

// AppendBinary appends the encoded tree.
func (t *Tree) AppendBinary(b []byte) []byte {
	size := 1 + binary.MaxVarintLen64
	for i := range t.nodes {
		size += 8 + len(t.nodes[i].ID) + len(t.nodes[i].Data)
	}
	b = slices.Grow(b, size)
	b = append(b, encodingVersion)
	b = binary.AppendUvarint(b, uint64(len(t.nodes)))
	for i := range t.nodes {
		n := &t.nodes[i]
		flags := byte(0)
		if n.Deleted {
			flags |= flagDeleted
		}
		if n.Data != nil {
			flags |= flagData
		}
		if len(n.ID) == 16 {
			flags |= flagHash
		}
		switch n.parent {
		case -1:
			flags |= flagRoot
		case i - 1:
			flags |= flagNext
		}
		b = append(b, flags)
		if flags&flagRoot != 0 {
			b = binary.AppendUvarint(b, n.Gen)
		} else if flags&flagNext == 0 {
			b = binary.AppendUvarint(b, uint64(i-n.parent))
		}
		if flags&flagHash == 0 {
			b = binary.AppendUvarint(b, uint64(len(n.ID)))
		}
		b = append(b, n.ID...)
		if flags&flagData != 0 {
			b = binary.AppendUvarint(b, uint64(len(n.Data)))
			b = append(b, n.Data...)
		}
	}
	return b
}

// Decode reads an encoded tree. It returns ErrCorrupt for anything that AppendBinary does not
// write. The tree does not alias b. All IDs are parts of one string, which lives as long as any
// of them.
func Decode(b []byte) (Tree, error) {
	if len(b) < 2 || b[0] != encodingVersion {
		return Tree{}, fmt.Errorf("%w: version", ErrCorrupt)
	}
	d := decoder{text: string(b[1:])}
	d.data = []byte(d.text)
	count := d.uvarint()
	if count > uint64(len(d.text))/2 { // a node takes at least two bytes
		return Tree{}, fmt.Errorf("%w: %d nodes in %d bytes", ErrCorrupt, count, len(b))
	}
	t := Tree{nodes: make([]node, count, count+1)} // most trees are read to gain a child
	for i := range t.nodes {
		if !d.node(t.nodes, i) {
			return Tree{}, fmt.Errorf("%w: node %d", ErrCorrupt, i)
		}
	}
	if d.at != len(d.text) {
		return Tree{}, fmt.Errorf("%w: %d extra bytes", ErrCorrupt, len(d.text)-d.at)
	}
	if !t.chain() && twice(t.nodes) {
		return Tree{}, fmt.Errorf("%w: a revision appears twice", ErrCorrupt)
	}
	return t, nil
}

// EncodedLen is how many revisions an encoded tree has, of which nothing else is looked at.
func EncodedLen(b []byte) (int, error) {
	if len(b) < 2 || b[0] != encodingVersion {
		return 0, fmt.Errorf("%w: version", ErrCorrupt)
	}
	count, n := binary.Uvarint(b[1:])
	if n <= 0 || count > uint64(len(b))/2 {
		return 0, fmt.Errorf("%w: %d nodes in %d bytes", ErrCorrupt, count, len(b))
	}
	return int(count), nil
}

// decoder reads IDs from text and data from data. Both hold the same bytes, so a whole tree
// takes two allocations for them.
type decoder struct {
	text string
	data []byte
	at   int
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.data[d.at:])
	if n <= 0 || n > 1 && d.data[d.at+n-1] == 0 { // a final zero means a longer spelling
		d.bad = true
		return 0
	}
	d.at += n
	return v
}

// span steps over n bytes and returns where they begin.
func (d *decoder) span(n uint64) int {
	if n > uint64(len(d.data)-d.at) {
		d.bad = true
		return d.at
	}
	d.at += int(n)
	return d.at - int(n)
}

func (d *decoder) node(nodes []node, i int) bool {
	if d.at >= len(d.data) {
		return false
	}
	flags := d.data[d.at]
	d.at++
	n := &nodes[i]
	n.Deleted = flags&flagDeleted != 0
	switch {
	case flags >= flagsEnd, flags&flagRoot != 0 && flags&flagNext != 0:
		return false
	case flags&flagRoot != 0:
		n.parent = -1
		n.Gen = d.uvarint()
	case flags&flagNext != 0:
		n.parent = i - 1
	default:
		back := d.uvarint()
		if back < 2 || back > uint64(i) {
			return false
		}
		n.parent = i - int(back)
	}
	if n.parent >= 0 {
		n.Gen = nodes[n.parent].Gen + 1
	} else if flags&flagRoot == 0 { // the first node cannot be a child of the one before
		return false
	}
	length := uint64(16)
	if flags&flagHash == 0 {
		if length = d.uvarint(); length == 16 {
			return false
		}
	}
	from := d.span(length)
	n.ID = d.text[from:d.at]
	if flags&flagData != 0 {
		from = d.span(d.uvarint())
		n.Data = d.data[from:d.at:d.at]
	}
	return !d.bad && n.Gen < maxGen && ordered(nodes[:i+1])
}

// ordered reports whether the last node stands where the order demands: its parent is the node
// before it or an ancestor of that node, and the sibling before it is less. Over a whole tree
// this climbs each edge once.
func ordered(nodes []node) bool {
	last := &nodes[len(nodes)-1]
	sibling, p := -1, len(nodes)-2
	for p > last.parent {
		sibling, p = p, nodes[p].parent
	}
	return p == last.parent && (sibling < 0 || Compare(nodes[sibling].Rev, last.Rev) < 0)
}

// twice reports whether two nodes hold the same revision. In a chain that cannot happen.
func twice(nodes []node) bool {
	order := make([]*Rev, len(nodes))
	for i := range nodes {
		order[i] = &nodes[i].Rev
	}
	slices.SortFunc(order, func(a, b *Rev) int { return Compare(*a, *b) })
	for i := 1; i < len(order); i++ {
		if *order[i-1] == *order[i] {
			return true
		}
	}
	return false
}
