package bolt

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

var (
	idBucket = []byte("id")
	idKey    = []byte("id")
	format   = []byte("format")
	format1  = []byte("tododb 1")
)

// file is an open database file, shared by all handles to it.
type file struct {
	eng       *Engine
	path      string
	name      string // of the database
	journaled bool   // its small transactions go through the journal
	id        engine.DBID
	of        journal.ID // the journal that the mark of its file is in, when it was opened
	handles   int        // guarded by eng.mu
	struck    bool       // guarded by eng.mu; it is damaged, and off the books

	compacting sync.Mutex // held by a compaction; taken before write

	write    sync.Mutex // one Update at a time; taken before flush
	unsynced bool       // guarded by write; the file's name may not be on disk yet
	now      mark       // guarded by write; the state of the database
	direct   bool       // guarded by write; the next transaction goes to the file, since now is not what the journal can go on from
	topKeys  int        // guarded by write; of layers.top
	topBytes int        // guarded by write
	room     []byte     // guarded by write; memory of layers.top that the next transaction may use

	flush      sync.Mutex // held to write to the file; taken before swap
	dirty      *dirtySet  // guarded by flush; not nil while a compaction copies
	saved      mark       // guarded by flush; the state of the file
	byMark     mark       // guarded by flush; its state if transaction by took place
	shaky      bool       // guarded by flush; what it shows may be in memory only
	belowMark  mark       // guarded by flush; the state with layers.below
	belowBytes int        // guarded by flush
	belowKeys  int        // guarded by flush
	nameless   bool       // guarded by flush; the file has just been made, and its name may not be on disk
	resting    bool       // guarded by flush; nobody has the database open, so bolt is nil

	unread    bool         // it was damaged when the journal was read: what that has of it is not in memory
	above     atomic.Int64 // about how many bytes of memory the layers take
	aboveKeys atomic.Int64 // how many entries were written to them
	weighed   atomic.Int64 // what of above is counted in eng.unflushedBytes
	needs     atomic.Int64 // what is counted in eng.room.needed
	size      atomic.Int64 // how long the file is, 0 if there is none
	failing   atomic.Bool  // the last flush has failed
	barred    atomic.Bool  // and not because the disk is full
	pinned    atomic.Bool  // setApart has failed
	uncounted atomic.Bool  // a large transaction came after empty was counted
	empty     atomic.Int64 // bytes of free pages, before the last commit

	swap          sync.RWMutex // guards what follows; held for reading only to begin a transaction
	layers                     // what is above the file
	gathered      *gathered
	gatherNext    *gathered // what it will be, if transaction gatherBy takes place
	gatherBy      int
	gatherChanged time.Time
	since         time.Time // when the upper layer began
	changed       time.Time // when the database was last written to
	virtual       bool      // there is no file yet
	bolt          *bbolt.DB // nil if virtual or resting
	opened        *os.File  // the file of bolt
	dropped       bool
	closed        bool
	damaged       error // why the file is no longer read
	stuck         bool  // bolt cannot be closed

	scattered engine.Space // whose keys are gathered, 0: none
	still     atomic.Bool  // nothing more is gathered
	undrained atomic.Bool  // the last attempt to bring it to its place has failed

	using   atomic.Int64 // transactions
	removed atomic.Bool  // it is gone, and what the journal has of it
	givenUp atomic.Bool  // it is damaged

	watch broadcast
}

// mapAhead is how much address space a file gets from the start. A writer that outgrows the map
// waits for all readers before it gets a larger one; below this size that never happens. The
// file itself is no larger than its content.
const mapAhead = 32 << 20

func boltOptions(opt Options) *bbolt.Options {
	ahead := mapAhead
	if runtime.GOOS == "windows" { // which makes a file as long as its map
		ahead = 0
	}
	return &bbolt.Options{
		InitialMmapSize: ahead,

		Timeout:      opt.LockTimeout,
		FreelistType: bbolt.FreelistMapType,
		NoSync:       opt.NoSync,
		NoGrowSync:   opt.NoSync,
		NoStatistics: true, // nobody asks for them, and each read would take a lock
	}
}

func newID() engine.DBID {
	id := make([]byte, 16)
	rand.Read(id)
	return engine.DBID(hex.EncodeToString(id))
}

// fill puts entries into a new file.
func fill(first []engine.Entry) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		for _, entry := range first {
			bucket, err := tx.CreateBucketIfNotExists(bucketName(entry.Space))
			if err == nil {
				err = bucket.Put(entry.Key, entry.Value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// makeFile makes a database file that has what fill puts there, whole or not at all. Its name is not on disk yet.
func makeFile(path string, opt Options, id engine.DBID, fill func(*bbolt.Tx) error) (err error) {
	temp := path + tempSuffix
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil { // the disk is probably full: leave nothing behind
			os.Remove(temp)
		}
	}()
	o := boltOptions(opt)
	o.NoSync, o.NoGrowSync = true, true // synced once, when it is complete
	b, err := bbolt.Open(temp, 0o600, o)
	if err != nil {
		return fmt.Errorf("make %s: %w", temp, err)
	}
	err = b.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(idBucket)
		if err != nil {
			return err
		}
		if err = errors.Join(bucket.Put(format, format1), bucket.Put(idKey, []byte(id))); err == nil {
			err = fill(tx)
		}
		return err
	})
	if err == nil && !opt.NoSync {
		err = b.Sync()
	}
	if err = errors.Join(err, b.Close()); err != nil {
		return fmt.Errorf("make %s: %w", temp, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return nil
}

// makeNamed makes a file whose name is on disk.
func makeNamed(path string, opt Options, id engine.DBID, fill func(*bbolt.Tx) error) error {
	if err := makeFile(path, opt, id, fill); err != nil || opt.NoSync {
		return err
	}
	if err := durable.Names(filepath.Dir(path)); err != nil {
		return errors.Join(err, removeIfThere(path))
	}
	return nil
}

// openFile opens a database file and makes sure that it is one of ours.
func openFile(e *Engine, path string) (*file, error) {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, engine.ErrNoDB
	}
	if err != nil {
		return nil, err
	}
	if fi.Size() < 2*4096 { // bbolt would turn an empty file into a new database
		return nil, fmt.Errorf("%w: %s has %d bytes", engine.ErrForeign, path, fi.Size())
	}
	f := e.newFile(path)
	var at []byte
	if f.id, at, err = f.openBolt(); err != nil {
		return nil, err
	}
	of, m := parseMark(at)
	f.of, f.saved, f.now = of, m, m
	if f.journaled {
		ours := of == e.log.ID()
		if ours && m.pos >= uint64(e.log.End()) {
			err := fmt.Errorf("%w: %s has what was written after the end of the journal: the journal is older than the file", engine.ErrForeign, path)
			return nil, errors.Join(err, f.closeBolt())
		}
		f.direct = !ours
	}
	f.empty.Store(countFree(f.opened))
	if err := os.Remove(path + tempSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, f.closeBolt())
	}
	return f, nil
}

// openLocked opens an existing file, waits for its lock, and makes sure that bbolt can safely
// read it: a failure inside bbolt's open cannot always be recovered from.
func openLocked(path string, flag int, mode os.FileMode, timeout time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, flag&^os.O_CREATE, mode) // never make an empty one
	if err != nil {
		return nil, err
	}
	err = func() error {
		if ok, err := lockFile(f, timeout); err != nil || !ok {
			return cmp.Or(err, error(berrors.ErrTimeout))
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		p, err := openPages(f, info.Size())
		if err == nil {
			err = p.untangled()
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", engine.ErrForeign, path, err)
		}
		return nil
	}()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openBolt fills in bolt and opened, and returns the database's id and its mark. After an error nothing is open.
func (f *file) openBolt() (id engine.DBID, at []byte, err error) {
	defer heedNoFaults(heedFaults())
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s: %v", engine.ErrForeign, f.path, p)
		}
		switch {
		case err == nil:
		case f.bolt != nil:
			err = errors.Join(err, f.bolt.Close())
			f.bolt = nil
		case f.opened != nil:
			// bbolt has closed it, unless it panicked. Then its map is still there and would
			// keep the lock as long as the process runs: release the lock first.
			unlockFile(f.opened)
			f.opened.Close()
		}
	}()
	o := boltOptions(f.eng.opt)
	o.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
		f.opened, err = f.eng.openLocked(name, flag, mode, f.eng.opt.LockTimeout)
		return f.opened, err
	}
	o.NoFreelistSync = true // else bbolt writes to the file before we know that it is ours
	f.bolt, err = bbolt.Open(f.path, 0o600, o)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return "", nil, fmt.Errorf("%w: %s is in use by another process", engine.ErrUnavailable, f.path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return "", nil, fmt.Errorf("%w: %s: %w", engine.ErrForeign, f.path, err)
	case err != nil:
		return "", nil, fmt.Errorf("open %s: %w", f.path, err)
	}
	fi, err := f.opened.Stat()
	if err != nil {
		return "", nil, err
	}
	// Its last owner may have replaced or removed the file while we waited for the lock.
	if now, err := os.Stat(f.path); err != nil || !os.SameFile(fi, now) {
		return "", nil, fmt.Errorf("%w: %s has just been replaced", engine.ErrUnavailable, f.path)
	}
	var g *gathered
	err = f.bolt.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(idBucket)
		if bucket == nil || string(bucket.Get(format)) != string(format1) && string(bucket.Get(format)) != string(format2) {
			return fmt.Errorf("%w: %s", engine.ErrForeign, f.path)
		}
		id, at = engine.DBID(bucket.Get(idKey)), markIn(tx)
		g, err = f.readGathered(tx)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	f.bolt.NoFreelistSync = false
	f.size.Store(fi.Size())
	f.publish(g)
	f.gatherNext, f.gatherBy = nil, 0
	return id, at, err
}

// begin starts a writing transaction of the present file.
func (f *file) begin() (*bbolt.Tx, error) {
	tx, _, err := f.tryBegin(true)
	if stuck, is := errors.AsType[stuckError](err); is {
		return nil, f.giveUp(stuck.error, true)
	}
	return tx, err
}

// read begins a snapshot: a transaction of the file, nil if there is none, and the layers above it.
func (f *file) read() (*bbolt.Tx, layers, error) {
	tx, over, err := f.tryBegin(false)
	if stuck, is := errors.AsType[stuckError](err); is {
		return nil, over, f.giveUp(stuck.error, true)
	}
	return tx, over, err
}

// stuckError says that bbolt panicked with locks held.
type stuckError struct{ error }

func (e stuckError) Unwrap() error { return e.error }

func (f *file) tryBegin(writable bool) (tx *bbolt.Tx, over layers, err error) {
	f.swap.RLock()
	defer f.swap.RUnlock()
	defer func() {
		if p := recover(); p != nil {
			err = stuckError{f.damage(p)}
		}
	}()
	if err := f.state(); err != nil {
		return nil, over, err
	}
	over = f.layers
	if f.virtual && !writable {
		f.using.Add(1)
		return nil, over, nil
	}
	if f.bolt == nil { // its last handle was closed just now
		return nil, over, engine.ErrClosed
	}
	tx, err = f.bolt.Begin(writable)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		err = engine.ErrClosed
	}
	if err == nil {
		f.using.Add(1)
		over = over.above(tx.ID())
		over.oldest, over.of = f.gatheredAt(tx.ID()), f.scattered
	}
	return tx, over, err
}

// state says why the file is unusable. The caller holds swap.
func (f *file) state() error {
	switch {
	case f.dropped:
		return engine.ErrNoDB
	case f.closed:
		return engine.ErrClosed
	}
	return f.damaged
}

func (f *file) stateNow() error {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return f.state()
}

var errReplaced = errors.New("another file is in its place, or none")

// inPlace gives the file up if another one has its name, or none: what is written to it would be gone
// when it is opened again. Somebody may have put back a copy, or removed it.
func (f *file) inPlace() error {
	err := f.elsewhere()
	if errors.Is(err, errReplaced) {
		return f.giveUp(err, false)
	}
	return err
}

// elsewhere finds out whether another file has its name, or none.
func (f *file) elsewhere() error {
	f.swap.RLock()
	if f.virtual {
		defer f.swap.RUnlock()
		return f.state()
	}
	was, err := f.opened.Stat()
	var now os.FileInfo
	if err == nil {
		now, err = os.Stat(f.path)
	}
	gone := errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(was, now)
	unusable := f.state() // a drop says so before it removes the file
	f.swap.RUnlock()
	if unusable != nil || !gone {
		return unusable // other errors say nothing about the file
	}
	return f.replaced()
}

func (f *file) replaced() error {
	return fmt.Errorf("%w: %s: %w", engine.ErrForeign, f.path, errReplaced)
}

// drop makes all further calls fail; the caller removes the file.
func (f *file) drop() {
	f.swap.Lock()
	f.dropped = true
	f.swap.Unlock()
	f.watch.send()
}

func (f *file) isVirtual() bool {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return f.virtual
}

// stayVirtual reports whether there is no file. If so, none is made as long as flush is held, which the caller
// releases.
func (f *file) stayVirtual() bool {
	if !f.isVirtual() { // it never is again; who writes to the file may hold flush for long
		return false
	}
	f.flush.Lock()
	if f.isVirtual() {
		return true
	}
	f.flush.Unlock()
	return false
}

// close waits for calls under way.
func (f *file) close() error {
	_, err := f.end(false)
	return err
}

// end closes the file once the calls under way have ended. What they have written may have to be flushed; if so, and if it may
// rest until then, it does. The caller holds eng.mu then, and the file stays on its books.
func (f *file) end(mayRest bool) (rests bool, err error) {
	f.swap.Lock()
	if f.closed {
		f.swap.Unlock()
		return false, nil
	}
	f.closed = true // also ends a compaction, soon
	f.swap.Unlock()
	f.compacting.Lock()
	defer f.compacting.Unlock()
	f.write.Lock()
	defer f.write.Unlock()
	f.flush.Lock()
	defer f.flush.Unlock()
	if rests = mayRest && f.unflushed(); !rests {
		return false, f.closeBolt()
	}
	f.resting = true
	err = f.sleep()
	f.swap.Lock()
	f.closed = false
	f.swap.Unlock()
	return true, err
}

// resume ends the rest of a file. The caller holds eng.mu.
func (f *file) resume() (err error) {
	f.flush.Lock()
	defer f.flush.Unlock()
	if f.virtual { // nor is there a compaction
		f.resting = false
		return nil
	}
	if err = f.wake(); err != nil {
		return err
	}
	f.resting = false
	return removeIfThere(f.path + tempSuffix) // a compaction that a crash cut short
}

// closeBolt waits for readers. If bbolt is stuck, it only releases the lock of the file.
func (f *file) closeBolt() (err error) {
	defer f.caught(&err)
	if f.bolt == nil {
		return nil
	}
	f.swap.Lock()
	f.publish(nil)
	f.swap.Unlock()
	if f.stuck {
		unlockFile(f.opened)
		return f.opened.Close()
	}
	return f.bolt.Close()
}
