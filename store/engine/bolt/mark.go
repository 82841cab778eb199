package bolt

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine/journal"
)

// mark names a state of a database: each transaction makes another one, and no two are alike.
type mark struct {
	pos   uint64 // of the last record of the journal that is in it
	stamp uint64 // random: another one after each transaction that went to the file and not through the journal
}

// A file has its mark in bucket "id" under "journal", with the identity of the journal that the position is
// in: id (16 bytes) | position (8) | stamp (8), big-endian.

var markKey = []byte("journal")

const markLen = 32

func newStamp() uint64 { return rand.Uint64() }

func (m mark) encode(id journal.ID) []byte {
	b := append(make([]byte, 0, markLen), id[:]...)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, m.pos), m.stamp)
}

// parseMark reads what encode wrote: nothing if it is something else.
func parseMark(b []byte) (id journal.ID, m mark) {
	if len(b) != markLen {
		return id, m
	}
	copy(id[:], b)
	return id, mark{binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])}
}

// putMark has the transaction bring the file to a mark in a journal.
func (t *tx) putMark(of journal.ID, m mark) (err error) {
	defer t.caught(&err)
	t.sound(t.way(t.root, idBucket), true)
	b := t.tx.Bucket(idBucket)
	if b == nil {
		return t.spoil("it has lost its identity")
	}
	if b.Root() != 0 {
		t.sound(t.way(uint64(b.Root()), markKey), true)
	}
	return b.Put(markKey, m.encode(of))
}

// markIn reads the mark of a file, nil if it has none.
func markIn(tx *bbolt.Tx) []byte {
	return bytes.Clone(tx.Bucket(idBucket).Get(markKey))
}
