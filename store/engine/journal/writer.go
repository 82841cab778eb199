package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/tododb/tododb/store/engine"
)

// writer writes the active segment. It is the leader's.
type writer struct {
	file    file
	head    header
	filled  int64 // the file is so long, with zeros at its end
	suspect bool  // something failed: a new segment is needed before anything else is written
	buf     []byte
	taken   []*request // what is being written
}

const (
	// maxBatch is about how many bytes are written at once, unless a record is longer.
	maxBatch = 1 << 20
	// reserve is how many zeros there are at least behind the last frame, so that notes can be written on a full
	// disk: it is the note of a Release that makes room.
	reserve = 4096
	// Zeros are written ahead as many as there are bytes already, within these bounds.
	minAhead = 64 << 10
	maxAhead = 1 << 20
	// aheadShare is which part of the room that there is (Options.Room) may be taken ahead.
	aheadShare = 4
)

var zeros [64 << 10]byte

func (w *writer) name() string { return segmentName(w.head.number) }

// offset is where a position is in the active segment.
func (w *writer) offset(at Pos) int64 { return headerSize + int64(at-w.head.first) }

// fill writes zeros.
func (w *writer) fill(from, to int64) error {
	for from < to {
		n, err := w.file.WriteAt(zeros[:min(int64(len(zeros)), to-from)], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// leaves is how much of the reserve is to be left behind the frame of a request.
func (r *request) leaves() int64 {
	switch {
	case r.kind == keptKind:
		return frameSize
	case r.urgent:
		return reserve / 2
	}
	return reserve
}

// room writes the zeros that are to be behind a frame, at least so many, and returns how long the file is then.
func (w *writer) room(off, size, limit, leave int64) (int64, error) {
	need := off + size + leave
	if need <= w.filled {
		return w.filled, nil
	}
	from := max(w.filled, off+size)
	ahead := min(max(off, minAhead), maxAhead)
	to := max(need, min(need+ahead, limit))
	err := w.fill(from, to)
	if err != nil && to > need && errors.Is(engine.SystemError(err), engine.ErrFull) {
		to = need
		err = errors.Join(w.file.Truncate(max(w.filled, off)), w.fill(from, to))
	}
	return to, err
}

// write writes a frame and makes it durable.
func (w *writer) write(b []byte, off, limit, leave int64) error {
	filled, err := w.room(off, int64(len(b)), limit, leave)
	if err == nil {
		_, err = w.file.WriteAt(b, off)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err == nil {
		w.filled = filled
	}
	return err
}

// cut makes sure that there is no frame at an offset, though one was written there in vain.
func (w *writer) cut(off int64) error {
	if w.filled < off+frameSize {
		w.filled = off
	}
	err := w.file.Truncate(w.filled)
	if err == nil && w.filled > off {
		if _, err = w.file.WriteAt(zeros[:frameSize], off); err != nil { // some disks have no room even for that
			w.filled = off
			err = w.file.Truncate(off)
		}
	}
	return errors.Join(err, w.file.Sync())
}

// again writes what is there, and the beginning of a frame behind it, or the zeros that are there in its place.
func (w *writer) again(from, to Pos) error {
	b := make([]byte, to-from+frameSize)
	n, err := w.file.ReadAt(b, w.offset(from))
	if n < int(to-from) {
		return err
	}
	if _, err = w.file.WriteAt(b[:n], w.offset(from)); err != nil || n == len(b) {
		return err
	}
	w.filled = w.offset(from) + int64(n)
	if _, err = w.file.WriteAt(b[n:], w.filled); err == nil {
		w.filled = w.offset(to) + frameSize
	} else if errors.Is(engine.SystemError(err), engine.ErrFull) {
		err = w.file.Truncate(w.filled) // there is no room for such a frame either
	}
	return err
}

// note writes a frame without a body and does not sync it.
func (w *writer) note(at Pos, k kind) error {
	var b [frameSize]byte
	f := frame{at: at, kind: k}
	f.put(b[:], w.head.mark)
	_, err := w.file.WriteAt(b[:], w.offset(at))
	return err
}

// seal ends the file with a note.
func (w *writer) seal(end Pos, k kind) error {
	return errors.Join(w.note(end, k), w.file.Truncate(w.offset(end)+frameSize), w.file.Sync())
}

// roll begins a new segment. If it fails, the log goes on with the one that it has.
func (l *Log) roll() (err error) {
	l.unprepare()
	h := l.w.head
	h.id, h.first = l.id, l.end
	h.number++
	rand.Read(h.mark[:])
	next := writer{head: h, filled: headerSize + reserve}
	name := segmentName(h.number)
	temp := name + tempSuffix
	if next.file, err = l.folder.create(temp); err != nil {
		return err
	}
	_, err = next.file.WriteAt(h.encode(), 0)
	err = errors.Join(err, next.fill(headerSize, next.filled), next.file.Sync(), next.file.Close())
	if err == nil {
		err = l.folder.rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, l.folder.remove(temp)) // Open would remove it too
	}
	err = l.folder.sync()
	if err == nil {
		next.file, err = l.folder.open(name, true)
	}
	if err != nil {
		// Nobody may find it later, when the segment before it has grown. If it can't be taken back for good, the
		// next try puts another one in its place before anything is written.
		gone := errors.Join(l.folder.remove(name), l.folder.sync())
		l.w.suspect = l.w.suspect || gone != nil
		return errors.Join(err, gone)
	}
	l.goOn(next)
	return nil
}

// goOn ends the active segment; the next one is there.
func (l *Log) goOn(next writer) {
	if old := l.w; old.file != nil {
		// These only tell Open of a missing segment, and give room back. All that was acknowledged is on disk.
		end, closed := l.end, make(chan struct{})
		l.mu.Lock()
		if l.open == nil {
			l.open = map[uint64]<-chan struct{}{}
		}
		l.open[old.head.number] = closed
		l.mu.Unlock()
		l.beside(func() {
			defer close(closed)
			if !old.suspect {
				_ = old.seal(end, sealedKind)
			}
			_ = old.file.Close()
			l.mu.Lock()
			delete(l.open, old.head.number)
			l.mu.Unlock()
		})
	}
	l.mu.Lock()
	if l.w.file != nil {
		l.sealed = append(l.sealed, l.segment(l.w.head, l.end))
	}
	l.first = l.end
	l.number = next.head.number
	l.mu.Unlock()
	next.buf, next.taken = l.w.buf, l.w.taken
	l.w = next
}

// fail ends all writing.
func (l *Log) fail(err error) {
	l.mu.Lock()
	l.failed = fmt.Errorf("%w: the journal cannot be written since: %w", engine.ErrUnavailable, err)
	l.mu.Unlock()
}

// write writes what a leader has taken, and says where it begins.
func (l *Log) write(taken []*request) (at Pos, err error) {
	idle := false
	if whole := taken[0].whole; whole != 0 {
		if l.end > whole {
			return 0, errInUse
		}
		idle = taken[0].number > l.w.head.number
	}
	b := l.w.encode(taken)
	off := l.w.offset(l.end)
	full := taken[0].plain() && off > headerSize && off+int64(len(b)) > headerSize+l.opt.SegmentBytes
	if full && !l.w.suspect {
		if next := l.takePrepared(); next != nil {
			return l.writeFirst(*next, b, taken)
		}
	}
	if l.w.suspect || full || idle {
		if err := l.roll(); err != nil {
			return 0, unwritten(err)
		}
		off = headerSize
	}
	at = l.end
	l.w.begin(b, at, taken[0].kind)
	limit := min(headerSize+l.opt.SegmentBytes, off+int64(len(b))+reserve+l.opt.Room()/aheadShare)
	err = l.w.write(b, off, limit, taken[0].leaves())
	if cap(b) > 2*maxBatch {
		l.w.buf = nil
	}
	if err != nil {
		return 0, l.undo(off, err)
	}
	l.mu.Lock()
	l.end += Pos(len(b))
	l.mu.Unlock()
	if off > l.opt.SegmentBytes/2 && l.opt.Room()/aheadShare > l.opt.SegmentBytes {
		l.prepare()
	}
	return at, nil
}

// encode gathers the body of a frame, behind room for its beginning.
func (w *writer) encode(taken []*request) []byte {
	b := append(w.buf[:0], zeros[:frameSize]...)
	if taken[0].kind == keptKind {
		b = little.AppendUint64(b, taken[0].number)
	} else {
		size := frameSize
		for _, r := range taken {
			size += r.size
		}
		b = slices.Grow(b, size-len(b))
		for _, r := range taken {
			b = little.AppendUint32(b, uint32(r.size-lengthSize))
			for _, part := range r.rec {
				b = append(b, part...)
			}
		}
	}
	w.buf = b
	return b
}

// begin writes the beginning of a frame before its body.
func (w *writer) begin(b []byte, at Pos, k kind) {
	f := frame{at: at, length: uint32(len(b) - frameSize), sum: sum(b[frameSize:]), kind: k}
	f.put(b, w.head.mark)
}

// undo takes a frame out of the log that could not be written, or not be synced.
func (l *Log) undo(off int64, cause error) error {
	cut := l.w.cut(off)
	cause = unwritten(cause)
	if cut == nil && errors.Is(cause, engine.ErrFull) {
		return cause
	}
	// What a failed sync has left in memory is not what is on disk. A new segment takes the frame out of the log
	// as well as the cut does.
	l.w.suspect = true
	rolled := l.roll()
	if cut == nil || rolled == nil {
		return cause
	}
	err := errors.Join(cause, cut, rolled)
	l.fail(err)
	return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
}

// unwritten is the error of an Append that has written nothing.
func unwritten(err error) error {
	if err = engine.SystemError(err); errors.Is(err, engine.ErrFull) || errors.Is(err, engine.ErrTooManyOpen) {
		return err
	}
	return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
}
