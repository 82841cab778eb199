package record

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/tododb/tododb/revtree"
)

// What was written is read again; of a record that was cut short anywhere nothing is read
// that was not there, and Bad says so.
func FuzzReader(f *testing.F) {
	f.Add(uint64(300), int64(-5), []byte("name"), "aabbccddeeff0011", uint8(3))
	f.Add(uint64(0), int64(0), []byte(nil), "", uint8(0))
	f.Fuzz(func(t *testing.T, n uint64, i int64, s []byte, id string, cut uint8) {
		rev := revtree.Rev{Gen: n, ID: id}
		b := binary.AppendVarint(binary.AppendUvarint([]byte{Version}, n), i)
		b = AppendRev(AppendBytes(b, s), rev)
		b = append(b, "0123456789abcdef"...)
		read := func(v []byte) (whole bool, r Reader) {
			r = Read(v)
			var raw [16]byte
			same := r.Byte() == Version && r.Uvarint() == n && r.Varint() == i && bytes.Equal(r.Bytes(), s) && r.Rev() == rev
			r.Fill(raw[:])
			return same && string(raw[:]) == "0123456789abcdef", r
		}
		if whole, r := read(b); !whole || r.Bad || len(r.Rest) > 0 {
			t.Errorf("%x is read otherwise, %+v", b, r)
		}
		skip := Read(AppendRev(nil, rev))
		if skip.SkipRev(); skip.Bad || len(skip.Rest) > 0 {
			t.Errorf("behind %+v are %x", rev, skip.Rest)
		}
		short := b[:max(0, len(b)-1-int(cut))]
		if whole, r := read(short); whole || !r.Bad {
			t.Errorf("%x is read as if it were whole", short)
		}
		r := Read(s)
		for range 8 {
			r.Bytes()
			r.Rev()
		}
	})
}
