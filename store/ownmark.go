package store

import (
	"encoding/binary"
	"math/rand/v2"
)

// ownMark tells what a transaction has written from what another process has. If it is not known whether a
// transaction was committed, another process may have written the same in its place: a marker with the same
// totals, or a document that both replicate. So its entries end with the mark, and bodies are counted
// from a number of its own. It is 0 where this process is alone.
type ownMark uint64

func newOwnMark() ownMark { return ownMark(rand.Uint64() | 1) }

func (m ownMark) appendTo(b []byte) []byte {
	if m == 0 {
		return b
	}
	return binary.BigEndian.AppendUint64(b, uint64(m))
}

// body is the number of the first body of a sequence. There is room after it.
func (m ownMark) body() uint32 { return uint32(m >> 33) }
