// Package record holds the parts of all records of databases and indexes: a version byte,
// numbers as varints, and byte strings after their length. The layout of each record is
// described beside the code that writes it.
package record

import (
	"encoding/binary"

	"github.com/tododb/tododb/revtree"
)

// Version is the first byte of every value.
const Version = 1

// AppendBytes appends the length of a byte string, then the string.
func AppendBytes[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// AppendRev appends a revision: its generation, and its id as a byte string.
func AppendRev(b []byte, r revtree.Rev) []byte {
	b = binary.AppendUvarint(b, r.Gen)
	return AppendBytes(b, r.ID)
}

// Reader takes a record apart. A short or malformed record sets Bad for good; from then on
// reads give zero.
type Reader struct {
	Rest []byte // the bytes not yet read
	Bad  bool
}

// Read begins to take a record apart. Byte strings read from it alias v.
func Read(v []byte) Reader { return Reader{Rest: v} }

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if len(r.Rest) == 0 {
		r.Bad = true
		return 0
	}
	c := r.Rest[0]
	r.Rest = r.Rest[1:]
	return c
}

// Uvarint reads a number.
func (r *Reader) Uvarint() uint64 {
	if b := r.Rest; len(b) > 0 && b[0] < 0x80 { // most are small
		r.Rest = b[1:]
		return uint64(b[0])
	}
	return r.uvarint()
}

func (r *Reader) uvarint() uint64 {
	n, w := binary.Uvarint(r.Rest)
	if w <= 0 {
		r.Bad, r.Rest = true, nil
		return 0
	}
	r.Rest = r.Rest[w:]
	return n
}

// Varint reads a number that may be negative.
func (r *Reader) Varint() int64 {
	n, w := binary.Varint(r.Rest)
	if w <= 0 {
		r.Bad, r.Rest = true, nil
		return 0
	}
	r.Rest = r.Rest[w:]
	return n
}

// Bytes reads a byte string.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.Rest)) {
		r.Bad, r.Rest = true, nil
		return nil
	}
	s := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return s
}

// Rev reads a revision.
func (r *Reader) Rev() revtree.Rev {
	return revtree.Rev{Gen: r.Uvarint(), ID: string(r.Bytes())}
}

// SkipRev passes a revision by, which costs no memory.
func (r *Reader) SkipRev() {
	r.Uvarint()
	r.Bytes()
}

// Fill reads as many bytes as dst has.
func (r *Reader) Fill(dst []byte) {
	if len(dst) > len(r.Rest) {
		r.Bad, r.Rest = true, nil
		return
	}
	copy(dst, r.Rest)
	r.Rest = r.Rest[len(dst):]
}
