package journal

import (
	"context"

	"github.com/tododb/tododb/store/engine"
)

// Release lets the records before a position go: the segments that have no others are removed. That the records
// are not needed any more must be on disk.
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
	l.mu.Unlock()
	if kept == 0 {
		return nil
	}
	// First the note: a segment that is missing without one is taken for lost.
	r := &request{kind: keptKind, number: kept, told: make(chan struct{}, 1)}
	if _, err := l.do(context.Background(), r); err != nil {
		return err
	}
	return engine.SystemError(l.remove(kept))
}

// remove removes the segments before one, each for good before the next: whatever stops it leaves no gap.
func (l *Log) remove(kept uint64) error {
	for {
		l.mu.Lock()
		if len(l.sealed) == 0 || l.sealed[0].Number >= kept {
			l.mu.Unlock()
			return nil
		}
		name := segmentName(l.sealed[0].Number)
		l.mu.Unlock()
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
