package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, Suffix) }

// segments picks the numbers of the segments out of the names in a folder, in order, and the names of unfinished ones.
func segments(names []string) (numbers []uint64, temps []string) {
	for _, name := range names {
		if whole, ok := strings.CutSuffix(name, tempSuffix); ok && strings.HasSuffix(whole, Suffix) {
			temps = append(temps, name)
		}
		base, ok := strings.CutSuffix(name, Suffix)
		n, err := strconv.ParseUint(base, 16, 64)
		if ok && err == nil && name == segmentName(n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, temps
}

// reader reads a journal.
type reader struct {
	folder folder
	replay func(Pos, []byte) error
	kept   uint64 // the first segment that was not released

	unbegun uint64 // the number of a segment that was prepared and has no header yet, 0 if there is none

	in window
}

func newReader(in folder, replay func(Pos, []byte) error) *reader {
	return &reader{folder: in, replay: replay, kept: firstSegment}
}

// ending is what a reader has found out about a segment.
type ending struct {
	head header
	last Pos // where the last frame begins, if there is one
	end  Pos
	keep int64 // how much of the file is to be kept: all frames, and a note behind them
	size int64 // of the file
	torn bool  // there is something else than zeros behind that
}

// all reads all segments.
func (r *reader) all(numbers []uint64) ([]ending, error) {
	if err := r.lookForUnbegun(numbers[len(numbers)-1]); err != nil {
		return nil, err
	}
	if r.unbegun != 0 && len(numbers) > 1 {
		numbers = numbers[:len(numbers)-1]
	}
	ends := make([]ending, len(numbers))
	for i, n := range numbers {
		h, err := r.header(n)
		if err != nil {
			return nil, err
		}
		ends[i].head = h
		if i == 0 {
			continue
		}
		switch before := ends[i-1].head; {
		case h.id != before.id:
			return nil, r.damage(n, 8, "it is a segment of another journal, "+h.id.String())
		case n != before.number+1:
			return nil, r.damage(before.number+1, 0, "the segment is missing")
		case h.first < before.first:
			return nil, r.damage(n, 40, "it begins before the segment before it does")
		}
	}
	for i := range ends {
		var until Pos
		if i+1 < len(ends) {
			until = ends[i+1].head.first
		}
		if err := r.segment(&ends[i], until); err != nil {
			return nil, err
		}
	}
	if numbers[0] > r.kept {
		return nil, r.damage(numbers[0]-1, 0, "the segment is missing, and was not released")
	}
	return ends, nil
}

func (r *reader) damage(number uint64, offset int64, why string) error {
	return &DamageError{Path: r.folder.path(segmentName(number)), Offset: offset, Why: why}
}

// lookForUnbegun finds out whether the last segment was prepared and never begun: nothing that was acknowledged is in it
// then, since the sync of its first frame is that of its header too.
func (r *reader) lookForUnbegun(number uint64) error {
	f, err := r.folder.open(segmentName(number), false)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	// The write of a header that failed half-way, and could not be undone, has left none either.
	if n == headerSize && bytes.Equal(b[headerSize/2:], zeros[:headerSize/2]) {
		r.unbegun = number
	}
	return nil
}

// header reads the header of a segment.
func (r *reader) header(number uint64) (header, error) {
	f, err := r.folder.open(segmentName(number), false)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, err
	}
	h, wrong := decodeHeader(b[:n])
	if wrong == "" && h.number != number {
		wrong = fmt.Sprintf("it is segment %d under another name", h.number)
	}
	if wrong != "" {
		return h, r.damage(number, 0, wrong)
	}
	return h, nil
}

// segment reads the frames of a segment, up to the position where the next one begins, 0 if it is the last one.
func (r *reader) segment(e *ending, until Pos) error {
	h := e.head
	f, err := r.folder.open(segmentName(h.number), false)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	r.in.reset(f, size)
	e.size = size
	for at := h.first; ; {
		off := headerSize + int64(at-h.first)
		e.end, e.keep = at, off
		if until != 0 && at == until {
			return nil
		}
		fr, body, err := r.frame(h, at, off)
		if err != nil {
			return err
		}
		if until != 0 && (body == nil || at+Pos(fr.size()) > until) {
			return r.damage(h.number, off, fmt.Sprintf("the frame is bad, or too long: the next segment begins %d bytes later", until-at))
		}
		switch {
		case body == nil:
			return r.tail(e, h, off, fr)
		case fr.kind == batchKind:
			if err := r.batch(h, off, at, body); err != nil {
				return err
			}
		case fr.kind == keptKind && len(body) == 8 && little.Uint64(body) <= h.number:
			r.kept = max(r.kept, little.Uint64(body))
		default:
			return r.damage(h.number, off, fmt.Sprintf("the frame is of kind %d, which is unknown here, or contradicts itself", fr.kind))
		}
		e.last = at
		at += Pos(fr.size())
	}
}

// frame reads a frame. The body is nil if there is none that is good; the frame may then be a note that ends
// the log.
func (r *reader) frame(h header, at Pos, off int64) (f frame, body []byte, err error) {
	b, err := r.in.at(off, frameSize)
	if err != nil || b == nil {
		return frame{}, nil, err
	}
	f, ok := decodeFrame(b, h.mark, at)
	if !ok {
		return frame{}, nil, nil
	}
	if f.kind == syncedKind || f.kind == sealedKind {
		return f, nil, nil
	}
	body, err = r.in.at(off+frameSize, int64(f.length))
	if err != nil || body == nil || sum(body) != f.sum {
		return frame{}, nil, err
	}
	return f, body, nil
}

// batch replays the records of a batch.
func (r *reader) batch(h header, off int64, at Pos, body []byte) error {
	for rest := body; len(rest) > 0; {
		here := frameSize + int64(len(body)-len(rest))
		if len(rest) < lengthSize || int64(little.Uint32(rest)) > int64(len(rest)-lengthSize) {
			return r.damage(h.number, off+here, "a record is longer than its batch")
		}
		n := lengthSize + int(little.Uint32(rest))
		if err := r.replay(at+Pos(here), rest[lengthSize:n:n]); err != nil {
			return fmt.Errorf("record at %d: %w", at+Pos(here), err)
		}
		rest = rest[n:]
	}
	return nil
}

// tail judges what is behind the last good frame of the last segment.
func (r *reader) tail(e *ending, h header, off int64, note frame) error {
	switch note.kind {
	case sealedKind:
		return r.damage(h.number+1, 0, "the segment is missing")
	case syncedKind:
		e.keep += frameSize
	}
	from := max(e.keep, off+1)
	for {
		at, err := r.in.find(from, h.mark[:])
		if err != nil {
			return err
		}
		if at < 0 {
			break
		}
		b, err := r.in.at(at, frameSize)
		if err != nil {
			return err
		}
		if _, ok := decodeFrame(b, h.mark, h.first+Pos(at-headerSize)); ok {
			return r.damage(h.number, off, fmt.Sprintf("the frame is bad, and one at byte %d says that it was on disk", at))
		}
		from = at + 1
	}
	clean, err := r.in.zeros(e.keep)
	e.torn = !clean
	return err
}

// window reads a file in large pieces.
type window struct {
	file file
	size int64
	from int64
	buf  []byte // what is in the file from there on
}

// windowSize is how much is read at once, unless more is asked for.
const windowSize = 256 << 10

func (w *window) reset(f file, size int64) {
	w.file, w.size, w.from = f, size, 0
	w.buf = w.buf[:0]
}

// at returns some bytes of the file, nil if it ends before them. They are valid until the next call.
func (w *window) at(off, n int64) ([]byte, error) {
	if n > w.size-off {
		return nil, nil
	}
	if off < w.from || off+n > w.from+int64(len(w.buf)) {
		if err := w.load(off, n); err != nil {
			return nil, err
		}
		if off+n > w.from+int64(len(w.buf)) {
			return nil, nil // the file is shorter than it was
		}
	}
	i := int(off - w.from)
	return w.buf[i : i+int(n) : i+int(n)], nil
}

// load reads n bytes and more.
func (w *window) load(off, n int64) error {
	n = min(max(n, windowSize), w.size-off)
	if int64(cap(w.buf)) < n || cap(w.buf) > 2*maxBatch && n <= maxBatch {
		w.buf = make([]byte, n)
	}
	w.from = off
	m, err := w.file.ReadAt(w.buf[:n], off)
	w.buf = w.buf[:m]
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

// find returns where a text is, -1 if nowhere.
func (w *window) find(from int64, text []byte) (int64, error) {
	for from < w.size {
		b, err := w.at(from, min(windowSize, w.size-from))
		if err != nil || b == nil {
			return -1, err
		}
		if i := bytes.Index(b, text); i >= 0 {
			return from + int64(i), nil
		}
		if from+int64(len(b)) >= w.size {
			break
		}
		from += int64(len(b) - len(text) + 1)
	}
	return -1, nil
}

// zeros tells whether all is zero from there on.
func (w *window) zeros(from int64) (bool, error) {
	for from < w.size {
		b, err := w.at(from, min(windowSize, w.size-from))
		if err != nil || b == nil {
			return false, err
		}
		for i := 0; i < len(b); i += len(zeros) {
			part := b[i:min(i+len(zeros), len(b))]
			if !bytes.Equal(part, zeros[:len(part)]) {
				return false, nil
			}
		}
		from += int64(len(b))
	}
	return true, nil
}
