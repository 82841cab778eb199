package anykey

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// deep is the space of the nodes. Its number is on disk.
const deep engine.Space = 31

const (
	// mostShort is the longest key that stands in its space as it is, if the engine can hold
	// one more byte. It is on disk: it never changes.
	mostShort = 2048
	// longest is the longest key of all. It only has to be less than what no memory holds.
	longest = 1 << 30

	nodeSize = 1 + sha256.Size // space, name
)

// linkValue is the value of a link. No record of a database or an index begins like it, so a
// program that knows no links says that the record is damaged.
var linkValue = []byte{0xff}

// layout says where keys stand.
type layout struct {
	short   int // the longest key of the engine that is no link
	longest int
}

// isLink reports whether a key of the engine is a link.
func (l *layout) isLink(k []byte) bool { return len(k) == l.short+1 }

// room is how many bytes of a key stand behind the beginning of its place: nothing in a space,
// the name of the node in the deep one.
func (l *layout) room(node []byte) int { return l.short - len(node) }

// nodeAfter is the beginning of all keys of the node that follows another, nil for a space, after
// some bytes.
func nodeAfter(s engine.Space, node, chunk []byte) []byte {
	h := sha256.New()
	if node == nil {
		h.Write(make([]byte, sha256.Size))
	} else {
		h.Write(node[1:])
	}
	h.Write(chunk)
	return h.Sum(append(make([]byte, 0, nodeSize), byte(s)))
}

// spaceOf is the space of the engine in which a node's keys stand.
func spaceOf(s engine.Space, node []byte) engine.Space {
	if node == nil {
		return s
	}
	return deep
}

// at is where a key's value stands.
func (l *layout) at(s engine.Space, k []byte) (engine.Space, []byte) {
	if len(k) <= l.short {
		return s, k
	}
	node, rest := []byte(nil), k
	for len(rest) > l.room(node) {
		n := l.room(node)
		node, rest = nodeAfter(s, node, rest[:n]), rest[n:]
	}
	return deep, append(node, rest...)
}

// allAt is where the values of keys stand.
func (l *layout) allAt(keys []engine.SpaceKey) []engine.SpaceKey {
	if !slices.ContainsFunc(keys, func(k engine.SpaceKey) bool { return len(k.Key) > l.short }) {
		return keys
	}
	keys = slices.Clone(keys)
	for i := range keys {
		keys[i].Space, keys[i].Key = l.at(keys[i].Space, keys[i].Key)
	}
	return keys
}

// link is a link on the way to a key.
type link struct {
	at   engine.SpaceKey
	node []byte // where it leads
}

// way is where the value of a long key stands, and the links that lead to it, the first one
// first.
func (l *layout) way(s engine.Space, k []byte) (links []link, key []byte) {
	node, rest := []byte(nil), k
	for len(rest) > l.room(node) {
		n := l.room(node)
		next := nodeAfter(s, node, rest[:n])
		links = append(links, link{engine.SpaceKey{Space: spaceOf(s, node), Key: linkKey(node, rest[:n])}, next})
		node, rest = next, rest[n:]
	}
	return links, append(node, rest...)
}

func linkKey(node, chunk []byte) []byte {
	k := make([]byte, 0, len(node)+len(chunk)+1)
	return append(append(append(k, node...), chunk...), 0)
}

// span is the range of the engine's keys in a node, or in a space, that a range of what follows
// there lies in. A bound longer than a key lies within what a link leads to: that link belongs
// to the range.
func (l *layout) span(node []byte, rg engine.Range) engine.Range {
	if rg.Limit > 0 && (len(rg.From) > l.room(node) || len(rg.To) > l.room(node)) {
		rg.Limit += 2 // there may be nothing in the range behind the links at its ends
	}
	if from := rg.From; len(from) > l.room(node) {
		rg.From = linkKey(node, from[:l.room(node)])
	} else if node != nil {
		rg.From = append(bytes.Clone(node), from...)
	}
	switch to := rg.To; {
	case len(to) > l.room(node):
		rg.To = append(linkKey(node, to[:l.room(node)]), 0)
	case node != nil && to != nil:
		rg.To = append(bytes.Clone(node), to...)
	case node != nil:
		rg.To = after(node)
	}
	return rg
}

// after is the end of the keys that begin with some bytes, nil if there is none.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// within is what a bound says about the keys that follow a link, nil for nothing.
func within(bound, chunk []byte) []byte {
	if len(bound) > len(chunk) && bytes.HasPrefix(bound, chunk) {
		return bound[len(chunk):]
	}
	return nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", engine.ErrForeign, fmt.Sprintf(format, args...))
}
