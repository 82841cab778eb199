package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
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

// readMark reads the identity of a database and its mark from a file that need not be open.
func readMark(path string) (id engine.DBID, m []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", nil, err
	}
	p, err := openPages(f, info.Size())
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s: %w", engine.ErrForeign, path, err)
	}
	head, err := p.find(p.root, idBucket)
	if err != nil || head == nil {
		return "", nil, fmt.Errorf("%w: %s: %w", engine.ErrForeign, path, errors.Join(err, errors.New("it has no identity")))
	}
	get := func(k []byte) []byte {
		var v []byte
		if root := order.Uint64(head); root != 0 {
			v, err = p.find(root, k)
			return v
		}
		pg := page{flags: isLeaf, count: int(order.Uint16(head[bucketHead+10:])), data: head[bucketHead:]}
		v, err = pg.get(k)
		return v
	}
	if len(head) < bucketHead || order.Uint64(head) == 0 && len(head) < bucketHead+pageHead {
		return "", nil, fmt.Errorf("%w: %s: a bucket without a root", engine.ErrForeign, path)
	}
	id = engine.DBID(get(idKey))
	if err == nil {
		m = get(markKey)
	}
	return id, m, err
}
