package backup

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/tododb/tododb/store"
)

// maxPayload is the most that an item holds: more than any engine takes as a value.
const maxPayload = 1<<30 + 1<<20

// maxLength is the most bytes that the length of an item takes.
const maxLength = 5

// Reader reads streams, one after the other, and checks what can be checked without a database:
// checksums, and that each stream continues the one before. It needs memory for one item, which is
// as large as the largest body of a document.
type Reader struct {
	in    window
	part  bool   // of streams
	begun bool   // there was a header
	ended bool   // and an end after it
	items uint64 // of the present stream
	buf   []byte // of an item that is larger than the window
	item  Item
	doc   Document // of the item
	crc   places

	header  Header
	end     End
	reached store.Point
	seq     uint64 // of the last document
}

// NewReader makes a Reader.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: window{r: r, buf: make([]byte, bufferSize)}}
}

// NewPartReader makes a Reader of a part of streams that may begin and end anywhere between items. It knows no
// place of any item, so that it checks only their form: somebody else has to know that the bytes are right.
func NewPartReader(r io.Reader) *Reader {
	p := NewReader(r)
	p.part = true
	return p
}

// Next reads the next item. The error is io.EOF behind an end, io.ErrUnexpectedEOF if the input
// ends elsewhere, *Broken if it is damaged or no stream, or the input's. The item is valid until
// the next call.
func (r *Reader) Next() (*Item, error) {
	if err := r.read(); err != nil {
		return nil, err
	}
	i := &r.item
	if r.part {
		return i, nil
	}
	var err error
	switch i.Kind {
	case KindHeader:
		err = r.open()
	case KindEnd:
		err = r.close()
	case KindDocument:
		err = r.document()
	}
	if err != nil {
		return nil, err
	}
	if i.Kind != KindEnd { // which counts what is before it
		r.items++
	}
	return i, nil
}

// read reads an item and checks its checksum.
func (r *Reader) read() error {
	r.in.next()
	head, err := r.in.have(1)
	if err == io.EOF && (r.begun && !r.ended) {
		return io.ErrUnexpectedEOF
	}
	if len(head) == 0 {
		return err
	}
	kind := head[0]
	i := &r.item
	i.Kind, i.doc = Kind(kind), nil
	if !i.Kind.known() || (!r.begun || r.ended) && i.Kind != KindHeader && !r.part {
		if !r.begun && !r.part {
			return broken("it does not begin like one")
		}
		return broken("item %d is of no known kind", r.items)
	}
	if i.Kind == KindHeader {
		r.items = 0
		r.in.begin()
	}
	from, size, err := r.size()
	if err != nil {
		return cut(err)
	}
	if whole := from + size + 4; whole <= bufferSize {
		if i.raw, err = r.in.have(whole); err != nil {
			return cut(err)
		}
		r.in.item = whole
		if cap(r.buf) > 4*fillStep {
			r.buf = nil // a large body has come and gone
		}
	} else {
		r.buf = r.buf[:0]
		if err := r.fill(whole); err != nil {
			return cut(err)
		}
		i.raw = r.buf
		if i.Kind != KindEnd {
			r.in.sum.Write(i.raw)
		}
	}
	i.Payload = i.raw[from : from+size]
	if !r.part && crc32.Update(r.crc.begin(r.items, i.Kind), castagnoli, i.Payload) != binary.BigEndian.Uint32(i.raw[from+size:]) {
		return broken("item %d is damaged, or not in its place", r.items)
	}
	return nil
}

// cut says that an input ended within an item.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// size looks at how long the next item is: its kind and length, and its payload.
func (r *Reader) size() (head, payload int, err error) {
	b, err := r.in.have(1 + maxLength)
	n, k := binary.Uvarint(b[min(1, len(b)):])
	switch {
	case k == 0 && len(b) <= maxLength:
		return 0, 0, err // the input has ended, or failed
	case k <= 0:
		return 0, 0, broken("item %d has no length", r.items)
	case n > maxPayload:
		return 0, 0, broken("item %d says that it has %d bytes", r.items, n)
	}
	return 1 + k, int(n), nil
}

// fillStep is how much memory a length is trusted with before bytes have come.
const fillStep = 1 << 20

// fill appends n bytes of the input to buf.
func (r *Reader) fill(n int) error {
	for n > 0 {
		part := min(n, max(fillStep, len(r.buf)))
		at := len(r.buf)
		if cap(r.buf)-at < part {
			r.buf = append(make([]byte, 0, at+part+min(n-part, part)), r.buf...)
		}
		r.buf = r.buf[:at+part]
		if _, err := io.ReadFull(&r.in, r.buf[at:]); err != nil {
			return cut(err)
		}
		n -= part
	}
	return nil
}

// open takes a header in.
func (r *Reader) open() error {
	h, err := r.item.Header()
	if err != nil {
		return err
	}
	switch {
	case !r.begun:
	case r.ended && h.Since != r.end.Point, !r.ended && h.Since != r.reached:
		return broken("a stream does not continue the one before it")
	}
	r.begun, r.ended, r.header, r.reached, r.seq = true, false, h, h.Since, h.Since.Seq
	return nil
}

// document takes in where a document stands.
func (r *Reader) document() error {
	d, err := r.item.Document()
	if err != nil {
		return err
	}
	r.doc = d
	r.item.doc = &r.doc
	if d.Seq <= r.seq {
		return broken("document %q stands at sequence %d, behind %d", d.ID, d.Seq, r.seq)
	}
	r.seq = d.Seq
	if d.Seq <= r.header.Last { // later ones may be of another epoch: they come again
		r.reached.Epoch, r.reached.Seq = r.header.Epoch, d.Seq
	}
	return nil
}

// close takes an end in.
func (r *Reader) close() error {
	e, err := r.item.End()
	if err != nil {
		return err
	}
	if e.Items != r.items || e.Sum != r.in.summed() {
		return broken("its end does not belong to it")
	}
	r.ended, r.end, r.reached = true, e, e.Point
	return nil
}

// Header is the header of the present stream.
func (r *Reader) Header() Header { return r.header }

// End is the end of the present stream; ok says that it was read.
func (r *Reader) End() (e End, ok bool) { return r.end, r.ended }

// Reached is the Point from which another stream can continue what was read up to now: behind
// the last document, or at the end.
func (r *Reader) Reached() store.Point { return r.reached }
