package pg

import "github.com/tododb/tododb/store/engine"

// arena is the memory of what a transaction has read. It goes with the transaction.
type arena struct {
	free []byte
	next int
}

// The sizes of an arena's first block and of its largest.
const (
	firstBlock = 1 << 10
	lastBlock  = 64 << 10
)

// keep copies what a connection is about to overwrite. The copy of an empty slice is not nil.
func (a *arena) keep(b []byte) []byte {
	if len(b) > cap(a.free)-len(a.free) || a.free == nil {
		if len(b) >= lastBlock/4 {
			return append(make([]byte, 0, len(b)), b...)
		}
		a.next = min(max(2*a.next, firstBlock), lastBlock)
		a.free = make([]byte, 0, max(a.next, len(b)))
	}
	from := len(a.free)
	a.free = append(a.free, b...)
	return a.free[from:len(a.free):len(a.free)]
}

// full is a key of the table: the space, then the key.
func full(s engine.Space, k []byte) []byte {
	return append(append(make([]byte, 0, 1+len(k)), byte(s)), k...)
}

// bounds is a range of a space as one of the table.
func bounds(s engine.Space, from, to []byte) (lo, hi []byte) {
	if lo = full(s, from); to == nil {
		return lo, []byte{byte(s) + 1}
	}
	return lo, full(s, to)
}
