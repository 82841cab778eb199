package backup

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/tododb/tododb/store"
)

var plainChunk = []byte(store.PlainChunk)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes streams. It does not buffer: give it a buffered writer, and flush that in the end.
// After an error of the writer below, all calls return it.
type Writer struct {
	w     io.Writer
	items uint64 // of the stream that is being written
	sum   xxhash.Digest
	crc   places
	head  []byte
	err   error
}

// NewWriter makes a Writer.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, head: make([]byte, 0, besides)} }

// Begin opens a stream.
func (w *Writer) Begin(h Header) error {
	w.items = 0
	w.sum.Reset()
	return w.Item(KindHeader, h.appendTo(nil))
}

// appendItem appends an item whose payload is the parts together. crc begins its checksum.
func appendItem(b []byte, crc uint32, kind Kind, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	b = binary.AppendUvarint(append(b, byte(kind)), uint64(size))
	from := len(b)
	for _, p := range parts {
		b = append(b, p...)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Update(crc, castagnoli, b[from:]))
}

// Item writes an item whose payload is the parts together.
func (w *Writer) Item(kind Kind, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	w.head = binary.AppendUvarint(append(w.head[:0], byte(kind)), uint64(size))
	w.put(w.head)
	crc := w.crc.begin(w.items, kind)
	for _, p := range parts {
		crc = crc32.Update(crc, castagnoli, p)
		w.put(p)
	}
	w.put(binary.BigEndian.AppendUint32(w.head[:0], crc))
	w.items++
	return w.err
}

// itemFrom writes an item whose payload comes from a reader.
func (w *Writer) itemFrom(kind Kind, size int64, r io.Reader, buf []byte) error {
	w.head = binary.AppendUvarint(append(w.head[:0], byte(kind)), uint64(size))
	w.put(w.head)
	crc := w.crc.begin(w.items, kind)
	for size > 0 && w.err == nil {
		part := buf[:min(size, int64(len(buf)))]
		if _, err := io.ReadFull(r, part); err != nil {
			w.err = cut(err)
			break
		}
		crc = crc32.Update(crc, castagnoli, part)
		w.put(part)
		size -= int64(len(part))
	}
	w.put(binary.BigEndian.AppendUint32(w.head[:0], crc))
	w.items++
	return w.err
}

// places begins the checksums of items, which count their places and kinds. Items that follow each other
// differ in the last byte of their numbers, so the others are summed up once.
type places struct {
	high uint64 // the number without its last byte
	sum  uint32 // of these bytes, 0: not yet known
}

func (p *places) begin(number uint64, kind Kind) uint32 {
	if high := number >> 8; p.sum == 0 || p.high != high {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], number)
		p.high, p.sum = high, crc32.Update(0, castagnoli, b[:7])
	}
	s := ^p.sum
	s = castagnoli[byte(s)^byte(number)] ^ s>>8
	s = castagnoli[byte(s)^byte(kind)] ^ s>>8
	return ^s
}

func (w *Writer) put(b []byte) {
	if w.err == nil {
		w.sum.Write(b)
		_, w.err = w.w.Write(b)
	}
}

// Copy writes an item as it was read. Its number may be another one here.
func (w *Writer) Copy(i *Item) error { return w.Item(i.Kind, i.Payload) }

// Attachment writes an attachment with its content, which r gives as it is. If r does not give as
// many bytes as the attachment has, the error is io.ErrUnexpectedEOF or *Broken.
func (w *Writer) Attachment(a Attachment, r io.Reader) error {
	a.Content = true
	if err := w.Item(KindAttachment, a.appendTo(nil)); err != nil {
		return err
	}
	buf := make([]byte, 0, store.ChunkSize)
	for left := a.Length; left > 0; left -= int64(len(buf)) {
		buf = buf[:min(left, store.ChunkSize)]
		if _, err := io.ReadFull(r, buf); err != nil {
			return cut(err)
		}
		if err := w.Item(KindChunk, plainChunk, buf); err != nil {
			return err
		}
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 {
		return broken("attachment %s has more than %d bytes", a.Digest, a.Length)
	} else if err != nil && err != io.EOF {
		return err
	}
	return nil
}

// End closes the stream. The caller gives what the End says of the database.
func (w *Writer) End(e End) (End, error) {
	e.Items, e.Sum = w.items, w.sum.Sum64()
	return e, w.Item(KindEnd, e.appendTo(nil))
}
