package repository

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// maxFrame is the most bytes that a frame may have.
const maxFrame = 4 << 20

// unpacked reads what a segment has, in bounded memory whatever its bytes say.
type unpacked struct {
	in    *bufio.Reader
	zip   *zstd.Decoder
	old   bool   // it is one stream of zstd
	plain []byte // of the frame
	left  []byte // of plain, to be read
	taken []byte // the frame as it is stored
}

// unpack begins to read a segment.
func unpack(r io.Reader) (*unpacked, error) {
	u := &unpacked{in: bufio.NewReaderSize(r, 64<<10)}
	line, err := u.in.Peek(len(segmentMagic))
	if err != nil && err != io.EOF {
		return nil, err
	}
	if u.old = string(line) != segmentMagic; u.old {
		u.zip, err = zstd.NewReader(u.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
		return u, err
	}
	if _, err := u.in.Discard(len(segmentMagic)); err != nil {
		return nil, err
	}
	u.zip, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
	return u, err
}

func (u *unpacked) Read(p []byte) (int, error) {
	if u.old {
		return u.zip.Read(p)
	}
	for len(u.left) == 0 {
		if err := u.frame(); err != nil {
			return 0, err
		}
	}
	n := copy(p, u.left)
	u.left = u.left[n:]
	return n, nil
}

// frame reads the next frame. The error is io.EOF if there is none.
func (u *unpacked) frame() error {
	method, err := u.in.ReadByte()
	if err != nil {
		return err
	}
	plain, err := binary.ReadUvarint(u.in)
	if err != nil {
		return cut(err)
	}
	stored, err := binary.ReadUvarint(u.in)
	if err != nil {
		return cut(err)
	}
	if plain > maxFrame || stored > maxFrame {
		return fmt.Errorf("it has a frame of %d bytes, stored as %d", plain, stored)
	}
	u.taken = sized(u.taken, stored)
	if _, err := io.ReadFull(u.in, u.taken); err != nil {
		return cut(err)
	}
	switch method {
	case byZstd:
		u.plain, err = u.zip.DecodeAll(u.taken, sized(u.plain, plain)[:0])
	case byS2:
		if n, e := s2.DecodedLen(u.taken); e != nil || uint64(n) != plain {
			err = errors.Join(e, errors.New("it has a frame of another length"))
			break
		}
		u.plain, err = s2.Decode(sized(u.plain, plain), u.taken)
	default:
		err = fmt.Errorf("it has a frame of unknown method %q", method)
	}
	if err == nil && uint64(len(u.plain)) != plain {
		err = fmt.Errorf("it has a frame of %d bytes, not %d", len(u.plain), plain)
	}
	u.left = u.plain
	return err
}

// cut says that a segment ended within a frame.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sized returns a slice of n bytes, b if it has as many.
func sized(b []byte, n uint64) []byte {
	if uint64(cap(b)) < n {
		return make([]byte, n)
	}
	return b[:n]
}

func (u *unpacked) close() { u.zip.Close() }
