package backup

import (
	"bufio"
	"bytes"
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
// stream. It holds items as they are in the stream, if nothing else comes between them.
type spool struct {
	mem   []byte
	temp  func() (TempFile, error)
	file  TempFile // of what came before mem, nil if nothing did
	size  int64    // of the file
	items uint64   // the number of the next item
	crc   places
}

// besides is the most that an item has besides its payload.
const besides = 1 + binary.MaxVarintLen64 + 4

func (s *spool) item(kind Kind, parts ...[]byte) error {
	size := besides
	for _, p := range parts {
		size += len(p)
	}
	if len(s.mem)+size > spoolMemory {
		if _, err := (spilled{s}).Write(s.mem); err != nil {
			return err
		}
		s.mem = s.mem[:0]
	}
	if size > spoolMemory {
		w := Writer{w: spilled{s}, items: s.items}
		s.items++
		return w.Item(kind, parts...)
	}
	s.mem = appendItem(s.mem, s.crc.begin(s.items, kind), kind, parts...)
	s.items++
	return nil
}

// spilled is the file of a spool, behind what is there.
type spilled struct{ *spool }

func (s spilled) Write(b []byte) (n int, err error) {
	if s.file == nil {
		if s.file, err = s.temp(); err != nil {
			return 0, err
		}
	}
	n, err = s.file.Write(b)
	s.size += int64(n)
	if err != nil {
		err = fmt.Errorf("keep a part of the backup: %w", err)
	}
	return n, err
}

// copyTo writes all items as they are, through a buffer, and empties the spool.
func (s *spool) copyTo(w io.Writer, buf []byte) error {
	defer s.reset()
	if s.file != nil {
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, io.NewSectionReader(s.file, 0, s.size), buf); err != nil {
			return err
		}
	}
	for rest := s.mem; len(rest) > 0; {
		piece := rest[:min(len(rest), len(buf))]
		if _, err := w.Write(piece); err != nil {
			return err
		}
		rest = rest[len(piece):]
	}
	return nil
}

// drain gives the items to fn and empties the spool. fn reads all of the payload.
func (s *spool) drain(fn func(kind Kind, size int64, payload *bufio.Reader) error) error {
	defer s.reset()
	var src io.Reader = bytes.NewReader(s.mem)
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
		if _, err := r.Discard(4); err != nil { // the checksum
			return err
		}
	}
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
	spool
	scratch   []byte
	parts     [4][]byte             // of an item: a slice for each one would be garbage
	sent      map[store.Digest]bool // attachments that came already, as far as they are remembered
	documents uint64
}

// rememberedContents is how many attachments a stream remembers to have sent. Beyond, one may be
// sent twice.
const rememberedContents = 200_000

func (s *spoolSink) Attachment(c store.CapturedAttachment) error {
	if s.sent[c.Digest] {
		return nil
	}
	if len(s.sent) >= rememberedContents {
		clear(s.sent)
	}
	s.sent[c.Digest] = true
	a := Attachment{Digest: c.Digest, Length: c.Length, Linked: c.Linked}
	s.scratch = a.appendTo(s.scratch[:0])
	return s.item(KindAttachment, s.scratch)
}

func (s *spoolSink) Body(key, value []byte) error { return s.item(KindBody, key, value) }

func (s *spoolSink) Document(id []byte, seq uint64, record, entry []byte) error {
	s.documents++
	d := Document{ID: id, Seq: seq, Record: record, Entry: entry}
	var toEntry int
	s.scratch, toEntry = d.appendHeads(s.scratch[:0])
	s.parts = [...][]byte{s.scratch[:toEntry], record, s.scratch[toEntry:], entry}
	return s.item(KindDocument, s.parts[:]...)
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
