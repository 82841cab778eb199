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
)

var (
	idBucket = []byte("id")
	idKey    = []byte("id")
	format   = []byte("format")
	format1  = []byte("tododb 1")
)

// file is an open database file, shared by all handles to it.
type file struct {
	eng     *Engine
	path    string
	id      engine.DBID
	handles int // guarded by eng.mu

	compacting sync.Mutex // held by a compaction; taken before write

	write    sync.Mutex // one Update at a time; taken before swap
	dirty    *dirtySet  // guarded by write; not nil while a compaction copies
	unsynced bool       // guarded by write; the file's name may not be on disk yet

	empty atomic.Int64 // bytes of free pages, before the last commit

	swap    sync.RWMutex // guards what follows; held for reading only to begin a transaction
	bolt    *bbolt.DB
	opened  *os.File // the file of bolt
	dropped bool
	closed  bool
	damaged error // why the file is no longer read
	stuck   bool  // bolt cannot be closed

	using atomic.Int64 // transactions

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

// makeFile makes a database file that has these entries, whole or not at all.
func makeFile(path string, opt Options, first []engine.Entry) (err error) {
	temp := path + tempSuffix
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil { // the disk is probably full: leave nothing behind
			os.Remove(temp)
			os.Remove(path)
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
		id := make([]byte, 16)
		rand.Read(id)
		err = errors.Join(bucket.Put(format, format1), bucket.Put(idKey, []byte(hex.EncodeToString(id))))
		for i := 0; i < len(first) && err == nil; i++ {
			if bucket, err = tx.CreateBucketIfNotExists(bucketName(first[i].Space)); err == nil {
				err = bucket.Put(first[i].Key, first[i].Value)
			}
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
	if opt.NoSync {
		return nil
	}
	return durable.Names(filepath.Dir(path))
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
	f := &file{eng: e, path: path}
	if err := f.openBolt(); err != nil {
		return nil, err
	}
	f.empty.Store(countFree(f.opened))
	if err := os.Remove(path + tempSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, f.bolt.Close())
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

// openBolt fills in bolt, opened and id. After an error nothing is open.
func (f *file) openBolt() (err error) {
	defer heedNoFaults(heedFaults())
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s: %v", engine.ErrForeign, f.path, p)
		}
		switch {
		case err == nil:
		case f.bolt != nil:
			err = errors.Join(err, f.bolt.Close())
		case f.opened != nil:
			// bbolt has closed it, unless it panicked. Then its map is still there and would
			// keep the lock as long as the process runs: release the lock first.
			unlockFile(f.opened)
			f.opened.Close()
		}
	}()
	o := boltOptions(f.eng.opt)
	o.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
		f.opened, err = openLocked(name, flag, mode, f.eng.opt.LockTimeout)
		return f.opened, err
	}
	o.NoFreelistSync = true // else bbolt writes to the file before we know that it is ours
	f.bolt, err = bbolt.Open(f.path, 0o600, o)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%w: %s is in use by another process", engine.ErrUnavailable, f.path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %s: %w", engine.ErrForeign, f.path, err)
	case err != nil:
		return fmt.Errorf("open %s: %w", f.path, err)
	}
	fi, err := f.opened.Stat()
	if err != nil {
		return err
	}
	// Its last owner may have replaced or removed the file while we waited for the lock.
	if now, err := os.Stat(f.path); err != nil || !os.SameFile(fi, now) {
		return fmt.Errorf("%w: %s has just been replaced", engine.ErrUnavailable, f.path)
	}
	err = f.bolt.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(idBucket)
		if bucket == nil || string(bucket.Get(format)) != string(format1) {
			return fmt.Errorf("%w: %s", engine.ErrForeign, f.path)
		}
		f.id = engine.DBID(bucket.Get(idKey))
		return nil
	})
	f.bolt.NoFreelistSync = false
	return err
}

// begin starts a transaction on the present file.
func (f *file) begin(writable bool) (*bbolt.Tx, error) {
	tx, err, panicked := f.tryBegin(writable)
	if panicked {
		return nil, f.giveUp(err, true)
	}
	return tx, err
}

func (f *file) tryBegin(writable bool) (tx *bbolt.Tx, err error, panicked bool) {
	f.swap.RLock()
	defer f.swap.RUnlock()
	defer func() {
		if p := recover(); p != nil {
			err, panicked = f.damage(p), true
		}
	}()
	if err := f.state(); err != nil {
		return nil, err, false
	}
	tx, err = f.bolt.Begin(writable)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		err = engine.ErrClosed
	}
	if err == nil {
		f.using.Add(1)
	}
	return tx, err, false
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

// inPlace gives the file up if another one has its name, or none: what is written to it would be gone
// when it is opened again. Somebody may have put back a copy, or removed it.
func (f *file) inPlace() error {
	f.swap.RLock()
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
	return f.giveUp(f.damage("another file is in its place, or none"), false)
}

// drop makes all further calls fail; the caller removes the file.
func (f *file) drop() {
	f.swap.Lock()
	f.dropped = true
	f.swap.Unlock()
	f.watch.send()
}

// close waits for calls under way.
func (f *file) close() error {
	f.swap.Lock()
	if f.closed {
		f.swap.Unlock()
		return nil
	}
	f.closed = true // also ends a compaction, soon
	f.swap.Unlock()
	f.compacting.Lock()
	defer f.compacting.Unlock()
	f.write.Lock()
	defer f.write.Unlock()
	return f.closeBolt()
}

// closeBolt waits for readers. If bbolt is stuck, it only releases the lock of the file.
func (f *file) closeBolt() (err error) {
	defer f.caught(&err)
	if f.stuck {
		unlockFile(f.opened)
		return f.opened.Close()
	}
	return f.bolt.Close()
}
