package journal

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store/engine"
)

// idleBytes is how long the active segment may be if nothing in it is needed.
const idleBytes = 1 << 20

// Release lets the records before a position go: the segments that have no others are removed. If nothing else is
// there, that is so of the active one too, unless it is short. That the records are not needed any more must be on disk.
func (l *Log) Release(before Pos) error {
	l.releasing.Lock()
	defer l.releasing.Unlock()
	l.mu.Lock()
	var kept uint64
	for _, s := range l.sealed {
		if s.End <= before {
			kept = s.Number + 1
		}
	}
	least := kept
	var whole Pos
	if before >= l.end && l.end-l.first > Pos(min(idleBytes, l.opt.SegmentBytes/2, max(l.opt.Room()/aheadShare, minAhead))) {
		kept, whole = l.number+1, l.end
	}
	l.mu.Unlock()
	if kept == 0 {
		return nil
	}
	// First the note: a segment that is missing without one is taken for lost.
	r := &request{kind: keptKind, number: kept, whole: whole, told: make(chan struct{}, 1)}
	_, err := l.do(context.Background(), r)
	if errors.Is(err, errInUse) || errors.Is(err, engine.ErrFull) && least != kept { // or there is no room for a new segment
		if least == 0 {
			return nil
		}
		kept, r.number, r.whole = least, least, 0
		_, err = l.do(context.Background(), r)
	}
	if err != nil {
		return err
	}
	return engine.SystemError(l.remove(kept))
}

// errInUse says that something has been written to the active segment that is not released.
var errInUse = errors.New("journal: the active segment is needed")

// remove removes the segments before one, each for good before the next: whatever stops it leaves no gap.
func (l *Log) remove(kept uint64) error {
	for {
		l.mu.Lock()
		if len(l.sealed) == 0 || l.sealed[0].Number >= kept {
			l.mu.Unlock()
			return nil
		}
		name, closed := segmentName(l.sealed[0].Number), l.open[l.sealed[0].Number]
		l.mu.Unlock()
		if closed != nil {
			<-closed // a file that is open keeps its room, whatever becomes of its name
		}
		if err := l.folder.remove(name); err != nil {
			return err
		}
		if err := l.folder.sync(); err != nil {
			return err
		}
		l.mu.Lock()
		l.sealed = l.sealed[1:]
		l.mu.Unlock()
	}
}
