package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// place is where an entry of a batch is, with as much of its key as decides most comparisons.
// It has no pointers, so sorting moves little and the collector does not watch it.
type place struct {
	head  uint64 // the eight bytes of the key that follow what all keys of the space share
	at    uint32 // in the batch
	space engine.Space
}

// inOrder returns the places of a batch's entries in the order of space and key. The batch
// stays as it is.
func inOrder(batch []entry) []place {
	order := make([]place, len(batch))
	shared := sharedPrefixes(batch)
	for i := range batch {
		space := batch[i].space
		order[i] = place{head: headOf(batch[i].key[shared[space]:]), at: uint32(i), space: space}
	}
	slices.SortFunc(order, func(a, b place) int {
		if a.space != b.space {
			return cmp.Compare(a.space, b.space)
		}
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return batch[a.at].compare(&batch[b.at])
	})
	return order
}

// headOf returns the first eight bytes of a key as a number. A shorter key counts as followed
// by zeros: keys in order have heads in order, though some may be equal.
func headOf(key []byte) uint64 {
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// sharedPrefixes returns, for each space, how many bytes all its keys in a batch begin with.
func sharedPrefixes(batch []entry) (shared [256]int) {
	var (
		first [256][]byte
		seen  [256]bool
	)
	for i := range batch {
		key, space := batch[i].key, batch[i].space
		if !seen[space] {
			first[space], shared[space], seen[space] = key, len(key), true
			continue
		}
		n := min(shared[space], len(key))
		for n > 0 && !bytes.Equal(key[:n], first[space][:n]) {
			n--
		}
		shared[space] = n
	}
	return shared
}
