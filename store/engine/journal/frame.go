package journal

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math"
)

// ID distinguishes a journal from every other.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Pos is the position of a record. It only grows, over all segments and over reopening. It is never 0.
type Pos uint64

const (
	magic      = "todojnl1"
	headerSize = 64
	frameSize  = 32
	lengthSize = 4 // of a record in a batch

	firstPos     = Pos(1)
	firstSegment = 1

	// MaxRecord is the greatest length of a record, in bytes.
	MaxRecord = 256 << 20
)

var (
	little     = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// header is what a segment begins with.
type header struct {
	id     ID
	mark   [8]byte
	number uint64
	first  Pos
}

func (h *header) encode() []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, magic...)
	b = append(b, h.id[:]...)
	b = append(b, h.mark[:]...)
	b = little.AppendUint64(b, h.number)
	b = little.AppendUint64(b, uint64(h.first))
	b = append(b, zeros[:12]...)
	return little.AppendUint32(b, sum(b))
}

// decodeHeader says what is wrong with a header, if anything is.
func decodeHeader(b []byte) (h header, wrong string) {
	if len(b) < headerSize {
		return h, "it is shorter than its header"
	}
	if string(b[:len(magic)]) != magic {
		return h, "it does not begin as a segment of this version does"
	}
	if little.Uint32(b[60:]) != sum(b[:60]) {
		return h, "the header's sum is wrong"
	}
	copy(h.id[:], b[8:])
	copy(h.mark[:], b[24:])
	h.number = little.Uint64(b[32:])
	h.first = Pos(little.Uint64(b[40:]))
	if h.first < firstPos || h.first > math.MaxInt64 || h.number < firstSegment {
		return h, "the header contradicts itself"
	}
	return h, ""
}

// kind says what a frame is.
type kind byte

const (
	batchKind kind = 1 + iota
	syncedKind
	sealedKind
	keptKind
)

// frame is the beginning of a frame.
type frame struct {
	at     Pos
	length uint32
	sum    uint32
	kind   kind
}

// size is that of the frame in a segment, with its body.
func (f *frame) size() int64 { return frameSize + int64(f.length) }

// put writes the beginning of a frame into the first bytes of b.
func (f *frame) put(b []byte, mark [8]byte) {
	copy(b, mark[:])
	little.PutUint64(b[8:], uint64(f.at))
	little.PutUint32(b[16:], f.length)
	little.PutUint32(b[20:], f.sum)
	little.PutUint32(b[24:], uint32(f.kind))
	little.PutUint32(b[28:], sum(b[:28]))
}

// decodeFrame reads the beginning of a frame that was written in this segment at this position.
func decodeFrame(b []byte, mark [8]byte, at Pos) (f frame, ok bool) {
	if len(b) < frameSize || string(b[:8]) != string(mark[:]) || Pos(little.Uint64(b[8:])) != at || little.Uint32(b[28:]) != sum(b[:28]) {
		return f, false
	}
	return frame{at: at, length: little.Uint32(b[16:]), sum: little.Uint32(b[20:]), kind: kind(b[24])}, true
}
