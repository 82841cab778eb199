package backup

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tododb/tododb/store"
)

// TempFile is a file for what waits to be sent. Closing it removes it.
type TempFile interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// tempFile is one in the system's folder for such files.
type tempFile struct{ *os.File }

func newTempFile() (TempFile, error) {
	f, err := os.CreateTemp("", "tododb-backup-*")
	if err != nil {
		return nil, fmt.Errorf("keep a part of the backup: %w", err)
	}
	_ = os.Remove(f.Name()) // where an open file keeps its name, Close removes it
	return tempFile{f}, nil
}

func (f tempFile) Close() error {
	err := f.File.Close()
	if gone := os.Remove(f.Name()); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// spoolMemory is how much of a spool is in memory.
const spoolMemory = 4 << 20

// spool takes in what a capture reads within a snapshot, where nothing waits for who is sent the
// stream. It holds items without checksums: kind | uvarint length | payload.
type spool struct {
	mem  []byte
	temp func() (TempFile, error)
	file TempFile // of what came before mem, nil if nothing did
	size int64    // of the file
}

func (s *spool) item(kind Kind, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	s.mem = binary.AppendUvarint(append(s.mem, byte(kind)), uint64(size))
	for _, p := range parts {
		if len(s.mem)+len(p) > spoolMemory {
			if err := s.spill(p); err != nil {
				return err
			}
			continue
		}
		s.mem = append(s.mem, p...)
	}
	return nil
}

// spill writes what is in memory to the file, and something more.
func (s *spool) spill(more []byte) (err error) {
	if s.file == nil {
		if s.file, err = s.temp(); err != nil {
			return err
		}
	}
	for _, b := range [][]byte{s.mem, more} {
		n, err := s.file.Write(b)
		s.size += int64(n)
		if err != nil {
			return fmt.Errorf("keep a part of the backup: %w", err)
		}
	}
	s.mem = s.mem[:0]
	return nil
}

// drain gives the items to fn and empties the spool. fn reads all of the payload.
func (s *spool) drain(fn func(kind Kind, size int64, payload *bufio.Reader) error) error {
	defer s.reset()
	var src io.Reader = &memory{s.mem}
	if s.file != nil {
		src = io.MultiReader(io.NewSectionReader(s.file, 0, s.size), src)
	}
	r := bufio.NewReaderSize(src, 64<<10)
	for {
		kind, err := r.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return err
		}
		if err := fn(Kind(kind), int64(size), r); err != nil {
			return err
		}
	}
}

// memory reads a slice.
type memory struct{ rest []byte }

func (m *memory) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// reset empties the spool.
func (s *spool) reset() {
	if s.file != nil {
		_ = s.file.Close() // it has no name any more, or the next start removes it
	}
	s.mem, s.file, s.size = s.mem[:0], nil, 0
}

// spoolSink has a capture fill a spool.
type spoolSink struct {
	*spool
	scratch []byte
}

func (s *spoolSink) Attachment(c store.CapturedAttachment) error {
	a := Attachment{Digest: c.Digest, Length: c.Length, Linked: c.Linked}
	s.scratch = a.appendTo(s.scratch[:0])
	return s.item(KindAttachment, s.scratch)
}

func (s *spoolSink) Body(key, value []byte) error { return s.item(KindBody, key, value) }

func (s *spoolSink) Document(id []byte, seq uint64, record, entry []byte) error {
	d := Document{ID: id, Seq: seq, Record: record, Entry: entry}
	s.scratch = d.appendTo(s.scratch[:0])
	return s.item(KindDocument, s.scratch)
}

func (s *spoolSink) Gone(id []byte) error { return s.item(KindGone, id) }

func (s *spoolSink) Survivors(from, to uint64, seqs []uint64) error {
	list := Survivors{From: from, To: to, Seqs: seqs}
	s.scratch = list.appendTo(s.scratch[:0])
	return s.item(KindSurvivors, s.scratch)
}

func (s *spoolSink) Space(space byte) error { return s.item(KindSpace, []byte{space}) }

func (s *spoolSink) Entry(space byte, key, value []byte) error {
	s.scratch = binary.AppendUvarint(append(s.scratch[:0], space), uint64(len(key)))
	return s.item(KindEntry, s.scratch, key, value)
}

func (s *spoolSink) Trim(space byte, key []byte) error {
	return s.item(KindTrim, []byte{space}, key)
}
