package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

// Options tune a Log; the zero value is safe.
type Options struct {
	// NoSync skips syncing to disk: a crash of the machine, though not of the process, loses or damages
	// what was written. For tests of something else.
	NoSync bool
	// SegmentBytes is about how long a segment gets (16 MiB). A longer record has a segment of its own.
	SegmentBytes int64
	// LockTimeout is how long to wait for another process to release the folder (1 s).
	LockTimeout time.Duration
	// Room tells about how much of the disk may be taken for what is not needed yet, as zeros are that are written ahead (no
	// limit). It is called often, and must not call the Log.
	Room func() int64

	inline bool // what is done beside the writers is done before they go on, so that a test sees the same each time
}

// Suffix ends the name of a segment's file.
const Suffix = ".journal"

const tempSuffix = ".new" // of a segment that has no whole header yet

// Log is an open journal.
type Log struct {
	folder folder
	opt    Options
	id     ID
	unlock io.Closer

	releasing sync.Mutex // taken before mu

	mu     sync.Mutex // guards what follows
	idle   sync.Cond  // nobody leads any more
	queue  []*request // what is to be written next
	led    bool       // somebody writes: the leader
	closed bool
	failed error                      // why nothing can be written any more
	sealed []Segment                  // oldest first
	open   map[uint64]<-chan struct{} // the files of sealed segments that are open still; closed when they are not
	first  Pos                        // of the active segment
	number uint64                     // of the active segment
	end    Pos

	w        writer        // the leader's
	prepared chan struct{} // the leader's; closed when the next segment has been prepared, or cannot be; nil if nobody has begun
	next     *writer       // guarded by that; nil if it could not be prepared
	besides  sync.WaitGroup
}

// Segment is a part of a log that never changes.
type Segment struct {
	Number uint64
	First  Pos    // where it begins
	End    Pos    // where the next one begins
	Path   string // of its file
	Bytes  int64  // so many of the file belong to it
}

// Exists tells whether there is a journal in a folder.
func Exists(at string) (bool, error) {
	names, err := dir{dir: at}.names()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	numbers, _ := segments(names)
	return len(numbers) > 0, err
}

// Open opens the journal in a folder, which it makes if need be, and calls replay for each record in order. A record's
// bytes are replay's until it returns. When Open returns, all that was replayed is on disk. If replay fails, or if
// the journal is damaged (DamageError), nothing is changed.
func Open(at string, opt Options, replay func(at Pos, rec []byte) error) (*Log, error) {
	if opt.LockTimeout == 0 {
		opt.LockTimeout = time.Second
	}
	if err := makeFolder(at, opt); err != nil {
		return nil, fmt.Errorf("open journal: %w", engine.SystemError(err))
	}
	l, err := openIn(dir{at, opt.NoSync, opt.LockTimeout}, opt, replay)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", engine.SystemError(err))
	}
	return l, nil
}

func makeFolder(at string, opt Options) error {
	if _, err := os.Stat(at); err == nil {
		return nil
	}
	if err := os.MkdirAll(at, 0o700); err != nil || opt.NoSync {
		return err
	}
	return durable.Names(filepath.Dir(filepath.Clean(at)))
}

func openIn(in folder, opt Options, replay func(at Pos, rec []byte) error) (_ *Log, err error) {
	if opt.SegmentBytes == 0 {
		opt.SegmentBytes = 16 << 20
	}
	if opt.Room == nil {
		opt.Room = func() int64 { return math.MaxInt64 }
	}
	l := &Log{folder: in, opt: opt}
	l.idle.L = &l.mu
	if l.unlock, err = in.lock(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			if l.w.file != nil {
				l.w.file.Close()
			}
			l.unlock.Close()
		}
	}()
	names, err := in.names()
	if err != nil {
		return nil, err
	}
	numbers, temps := segments(names)
	for _, name := range temps {
		if err := in.remove(name); err != nil {
			return nil, err
		}
	}
	if len(numbers) == 0 {
		return l, l.begin()
	}
	return l, l.resume(numbers, replay)
}

// begin makes a new journal.
func (l *Log) begin() error {
	rand.Read(l.id[:])
	l.end = firstPos
	return l.roll()
}

// resume reads the journal that is there and makes it ready to be written.
func (l *Log) resume(numbers []uint64, replay func(Pos, []byte) error) error {
	r := newReader(l.folder, replay)
	ends, err := r.all(numbers)
	if err != nil {
		return err
	}
	last := ends[len(ends)-1]
	l.id = last.head.id
	for _, e := range ends[:len(ends)-1] {
		l.sealed = append(l.sealed, l.segment(e.head, e.end))
	}
	l.first, l.number, l.end = last.head.first, last.head.number, last.end
	l.w = writer{head: last.head, filled: last.size}
	if l.w.file, err = l.folder.open(segmentName(last.head.number), true); err != nil {
		return err
	}
	if last.torn {
		l.w.filled = last.keep
		err = l.w.file.Truncate(last.keep)
	}
	// What was read may be in memory only, and so may be the name of the file. If a sync has failed, the system may
	// even believe that it is on disk. So write the header and the last frame again, and what is behind it: a frame may be there on disk.
	_, again := l.w.file.WriteAt(last.head.encode(), 0)
	err = errors.Join(err, again, l.w.again(max(last.last, last.head.first), last.end))
	if r.unbegun != 0 {
		err = errors.Join(err, l.folder.remove(segmentName(r.unbegun)))
	}
	if err := errors.Join(err, l.w.file.Sync(), l.folder.sync()); err != nil {
		return err
	}
	return l.remove(r.kept) // a crash may have stopped a Release
}

// segment describes a segment that is complete.
func (l *Log) segment(h header, end Pos) Segment {
	return Segment{Number: h.number, First: h.first, End: end, Path: l.folder.path(segmentName(h.number)), Bytes: headerSize + int64(end-h.first)}
}

// ID is the journal's. It was drawn at random when the journal was made.
func (l *Log) ID() ID { return l.id }

// End is the position after the last record that is on disk: that of all later ones is greater.
func (l *Log) End() Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Start is the position before the first record that is still there.
func (l *Log) Start() Pos {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start()
}

func (l *Log) start() Pos {
	if len(l.sealed) > 0 {
		return l.sealed[0].First
	}
	return l.first
}

// Size is how many bytes the records take that are still there.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.end - l.start())
}

// Sealed lists the segments that never change any more, oldest first. Release removes them.
func (l *Log) Sealed() ([]Segment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, engine.ErrClosed
	}
	return append([]Segment(nil), l.sealed...), nil
}

// Close waits for calls under way. What they wrote is on disk; later ones fail with ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	for l.led {
		l.idle.Wait()
	}
	sound := l.failed == nil && !l.w.suspect
	l.mu.Unlock()
	l.releasing.Lock() // waits for a Release that removes files
	defer l.releasing.Unlock()
	l.besides.Wait()
	if next := l.takePrepared(); next != nil {
		next.file.Close()
		_ = l.folder.remove(next.name()) // Open would remove it too
	}
	var err error
	if sound {
		err = l.w.seal(l.end, syncedKind)
	}
	return errors.Join(err, l.w.file.Close(), l.unlock.Close())
}
