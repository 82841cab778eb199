package backup

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// What begins an item's checksum is the sum of its number, as eight bytes, and of its kind.
func TestPlacesAreSummedUp(t *testing.T) {
	var p places
	for _, number := range []uint64{0, 1, 255, 256, 257, 1, 1 << 40, 1<<40 + 1, 1<<64 - 1, 0} {
		for _, kind := range []Kind{KindHeader, KindDocument} {
			want := crc32.Checksum(append(binary.BigEndian.AppendUint64(nil, number), byte(kind)), castagnoli)
			if got := p.begin(number, kind); got != want {
				t.Errorf("item %d of kind %s: %08x, want %08x", number, kind, got, want)
			}
		}
	}
}
