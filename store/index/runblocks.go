package index

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// Sorted runs are written in blocks, each with a checksum: if a disk returns wrong bytes, they must
// not become rows that nobody emitted. The sum covers the position of the block too, so that one
// block does not pass for another.

const (
	// runBlock is the length of a block with its sum; the last block of a run may be shorter.
	// Each of thousands of runs has one block in memory to read its next record.
	runBlock = 4 << 10
	runSum   = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of a block's bytes at a place in the file.
func sumOf(at int64, block []byte) uint32 {
	place := binary.LittleEndian.AppendUint64(nil, uint64(at))
	return crc32.Update(crc32.Checksum(place, castagnoli), castagnoli, block)
}

// runWriter writes runs one after the other.
type runWriter struct {
	w     *bufio.Writer
	at    int64 // where the block begins
	block []byte
}

func newRunWriter(file *os.File) *runWriter {
	return &runWriter{w: bufio.NewWriterSize(file, 256<<10), block: make([]byte, 0, runBlock)}
}

func (w *runWriter) write(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), runBlock-runSum-len(w.block))
		w.block, b = append(w.block, b[:n]...), b[n:]
		if len(w.block) == runBlock-runSum {
			if err := w.endBlock(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *runWriter) endBlock() error {
	block := binary.LittleEndian.AppendUint32(w.block, sumOf(w.at, w.block))
	w.at += int64(len(block))
	w.block = w.block[:0]
	_, err := w.w.Write(block)
	return err
}

// endRun ends a run and returns its end, where the next one begins.
func (w *runWriter) endRun() (at int64, err error) {
	if len(w.block) > 0 {
		err = w.endBlock()
	}
	return w.at, err
}

// runReader reads the bytes of one run, after it has checked their blocks; a bad block is
// ErrCorrupt.
type runReader struct {
	r     *bufio.Reader
	at    int64
	end   int64
	block []byte // the rest of the present one
	held  int    // its length in r
}

func newRunReader(file io.ReaderAt, from, end int64, buffer int) *runReader {
	return &runReader{r: bufio.NewReaderSize(io.NewSectionReader(file, from, end-from), max(buffer, runBlock)), at: from, end: end}
}

// fill reads the next block if the present one is used up; io.EOF at the end.
func (r *runReader) fill() error {
	if len(r.block) > 0 {
		return nil
	}
	if _, err := r.r.Discard(r.held); err != nil {
		return err
	}
	r.at += int64(r.held)
	r.held = 0
	if r.at == r.end {
		return io.EOF
	}
	size := int(min(runBlock, r.end-r.at))
	block, err := r.r.Peek(size)
	if err == io.EOF {
		return fmt.Errorf("%w: a file of sorted rows is cut off", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	r.held, r.block = size, block[:size-runSum]
	if sumOf(r.at, r.block) != binary.LittleEndian.Uint32(block[size-runSum:]) {
		return fmt.Errorf("%w: a block of sorted rows is not what was written", ErrCorrupt)
	}
	return nil
}

func (r *runReader) ReadByte() (byte, error) {
	if err := r.fill(); err != nil {
		return 0, err
	}
	b := r.block[0]
	r.block = r.block[1:]
	return b, nil
}

func (r *runReader) Read(b []byte) (int, error) {
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := copy(b, r.block)
	r.block = r.block[n:]
	return n, nil
}
