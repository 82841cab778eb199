package journal

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// While the second half of a segment is written, the file of the next one is made beside the writers: its name and all of
// its zeros are on disk, and only its header is missing. The first frame brings the header along, so going on in it
// costs the writers no more than any other frame.

// prepareStep is how many zeros are written before each sync, so that writers don't have to wait for all of them.
const prepareStep = 1 << 20

// beside does something that the writers need not wait for. Close waits for it.
func (l *Log) beside(do func()) {
	if l.opt.inline {
		do()
		return
	}
	l.besides.Go(do)
}

// prepare begins to make the file of the next segment, once for each. The caller is the leader.
func (l *Log) prepare() {
	if l.prepared != nil {
		return
	}
	done := make(chan struct{})
	l.prepared = done
	number := l.w.head.number + 1
	l.beside(func() {
		defer close(done)
		l.next = l.makeNext(number)
	})
}

// makeNext makes the file of a segment without its header. It is nil if it cannot, for lack of room, say: then the segment
// is made when it is needed.
func (l *Log) makeNext(number uint64) *writer {
	name := segmentName(number)
	temp := name + tempSuffix
	f, err := l.folder.create(temp)
	if err != nil {
		return nil
	}
	next := &writer{file: f, head: header{number: number}, filled: headerSize + l.opt.SegmentBytes + reserve}
	for from := int64(0); from < next.filled && err == nil; from += prepareStep {
		err = next.fill(from, min(from+prepareStep, next.filled))
		if err == nil {
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err == nil { // some systems rename no file that is open
		err = l.folder.rename(temp, name)
	}
	if err == nil {
		err = l.folder.sync()
	}
	if err == nil {
		next.file, err = l.folder.open(name, true)
	}
	if err != nil {
		_ = errors.Join(l.folder.remove(temp), l.folder.remove(name)) // Open would remove them too
		return nil
	}
	return next
}

// takePrepared is the segment that was prepared, nil if none was. The caller is the leader.
func (l *Log) takePrepared() *writer {
	if l.prepared == nil {
		return nil
	}
	<-l.prepared
	next := l.next
	l.next, l.prepared = nil, nil
	return next
}

// unprepare gives up what was prepared. There may be no other room for what takes its place. If its file is there still, or
// again after a crash, it is nothing without a header.
func (l *Log) unprepare() {
	if next := l.takePrepared(); next != nil {
		next.file.Close()
		_ = l.folder.remove(segmentName(next.head.number))
	}
}

// writeFirst writes the first frame of a segment that was prepared, with its header.
func (l *Log) writeFirst(next writer, b []byte, taken []*request) (at Pos, err error) {
	at = l.end
	next.head.id, next.head.first = l.id, at
	rand.Read(next.head.mark[:])
	next.begin(b, at, taken[0].kind)
	if _, err = next.file.WriteAt(next.head.encode(), 0); err == nil {
		err = next.write(b, headerSize, headerSize+l.opt.SegmentBytes, taken[0].leaves())
	}
	if err != nil {
		return 0, l.undoFirst(next, err)
	}
	l.goOn(next)
	if cap(b) > 2*maxBatch {
		l.w.buf = nil
	}
	l.mu.Lock()
	l.end += Pos(len(b))
	l.mu.Unlock()
	return at, nil
}

// undoFirst takes a segment out of the log whose first frame could not be written, or not be synced. The log goes on with the
// one before it.
func (l *Log) undoFirst(next writer, cause error) error {
	next.file.Close()
	cause = unwritten(cause)
	gone := errors.Join(l.folder.remove(next.name()), l.folder.sync())
	if gone == nil {
		return cause
	}
	rolled := l.roll() // puts another one in its place
	if rolled == nil {
		return cause
	}
	err := errors.Join(cause, gone, rolled)
	l.fail(err)
	return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
}
