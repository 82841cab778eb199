package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errFrame says that the bytes are not one of our frames.
var errFrame = errors.New("worker: damaged frame")

// maxFrame is the greatest length of a frame. The longest hold what one document emits.
const maxFrame = 256 << 20

// appendFrame begins a frame of a kind; endFrame must follow once the fields are there.
func appendFrame(b []byte, kind byte) []byte { return append(b, 0, 0, 0, 0, kind) }

// endFrame writes the length of the frame that begins at an index.
func endFrame(b []byte, at int) error {
	n := len(b) - at - 4
	if n > maxFrame {
		return fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(n))
	return nil
}

// frameReader reads frames. It keeps its buffer.
type frameReader struct {
	r   io.Reader
	max int // bytes of a frame; 0: maxFrame
	buf []byte
	// have is how much of buf has been read, and used how much of that has been returned.
	have, used int
}

// Sizes of a reader's buffer: the smallest, and the largest that is kept.
const (
	readAtLeast = 64 << 10
	keptAtMost  = 1 << 20
)

// next returns a frame; fields are valid until the next call. At the end it returns io.EOF.
func (f *frameReader) next() (kind byte, fields []byte, err error) {
	if f.used == f.have {
		f.used, f.have = 0, 0
		if len(f.buf) > keptAtMost {
			f.buf = nil
		}
	}
	if err := f.fill(5); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(f.buf[f.used:])
	if n == 0 || n > maxFrame || f.max > 0 && int(n) > f.max {
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	if err := f.fill(4 + int(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	frame := f.buf[f.used+4 : f.used+4+int(n)]
	f.used += 4 + int(n)
	return frame[0], frame[1:], nil
}

// fill reads until there are n bytes. The buffer grows with the bytes that arrive, never with
// what a length claims.
func (f *frameReader) fill(n int) error {
	for f.have-f.used < n {
		if f.used > 0 && (f.have == len(f.buf) || f.used+n > len(f.buf)) {
			copy(f.buf, f.buf[f.used:f.have])
			f.have, f.used = f.have-f.used, 0
		}
		if f.have == len(f.buf) {
			bigger := make([]byte, max(readAtLeast, min(2*len(f.buf), n)))
			copy(bigger, f.buf[:f.have])
			f.buf = bigger
		}
		m, err := f.r.Read(f.buf[f.have:])
		f.have += m
		if err != nil && f.have-f.used < n {
			if err == io.EOF && f.have > f.used {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// Fields are numbers, as uvarints, and bytes after their length plus one. A length of zero
// means nil, which is not the same as empty.

func appendNumber[T ~int | ~uint8](b []byte, n T) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendBool(b []byte, yes bool) []byte {
	if yes {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))+1), v...)
}

// appendOptional is appendBytes, but keeps nil.
func appendOptional(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	return appendBytes(b, v)
}

// fields reads the fields of a frame. After an error all are zero.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) number() int {
	n, w := binary.Uvarint(f.b)
	if w <= 0 || n > maxFrame {
		f.b, f.bad = nil, true
		return 0
	}
	f.b = f.b[w:]
	return int(n)
}

// count is the number of things that follow, each of at least one byte.
func (f *fields) count() int {
	n := f.number()
	if n > len(f.b) {
		f.b, f.bad = nil, true
		return 0
	}
	return n
}

// atMost is count with a maximum.
func (f *fields) atMost(most int) int {
	n := f.count()
	if n > most {
		f.b, f.bad = nil, true
		return 0
	}
	return n
}

func (f *fields) yes() bool { return f.number() != 0 }

// bytes are part of the frame.
func (f *fields) bytes() []byte {
	n := f.number()
	if n == 0 {
		return nil
	}
	if n--; n > len(f.b) {
		f.b, f.bad = nil, true
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) text() string { return string(f.bytes()) }

// end checks that the fields were valid and complete.
func (f *fields) end() error {
	if f.bad || len(f.b) > 0 {
		return errFrame
	}
	return nil
}
