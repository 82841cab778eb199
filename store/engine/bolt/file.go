package bolt

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

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

	write sync.Mutex // one Update at a time; taken before swap
	dirty *dirtySet  // guarded by write; not nil while a compaction copies

	swap    sync.RWMutex // guards what follows; held for reading only to begin a transaction
	bolt    *bbolt.DB
	dropped bool
	closed  bool

	watch broadcast
}

// mapAhead is how much of the address space a file gets from the start. A writer that
// outgrows the map waits for all readers before it gets a larger one: below this size it
// never does. The file is as large as what is in it all the same.
const mapAhead = 32 << 20

func boltOptions(opt Options) *bbolt.Options {
	return &bbolt.Options{
		InitialMmapSize: mapAhead,

		Timeout:      opt.LockTimeout,
		FreelistType: bbolt.FreelistMapType,
		NoSync:       opt.NoSync,
		NoGrowSync:   opt.NoSync,
	}
}

// makeFile makes an empty database file, whole or not at all.
func makeFile(path string, opt Options) error {
	temp := path + tempSuffix
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	o := boltOptions(opt)
	o.NoSync, o.NoGrowSync = true, true // synced once, when it is whole
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
		return errors.Join(bucket.Put(format, format1), bucket.Put(idKey, []byte(hex.EncodeToString(id))))
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
	return syncDir(filepath.Dir(path))
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
	if fi.Size() == 0 { // bbolt would make a new database of it
		return nil, fmt.Errorf("%w: %s is empty", engine.ErrForeign, path)
	}
	b, id, err := openBolt(path, e.opt)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path + tempSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, b.Close())
	}
	return &file{eng: e, path: path, id: id, bolt: b}, nil
}

func openBolt(path string, opt Options) (b *bbolt.DB, id engine.DBID, err error) {
	defer func() { // a torn page can make bbolt panic where it trusts what it reads
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s: %v", engine.ErrForeign, path, p)
		}
	}()
	o := boltOptions(opt)
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		return os.OpenFile(name, flag&^os.O_CREATE, mode) // it is there: never make an empty one
	}
	b, err = bbolt.Open(path, 0o600, o)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, "", fmt.Errorf("%w: %s is in use by another process", engine.ErrUnavailable, path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, "", fmt.Errorf("%w: %s: %w", engine.ErrForeign, path, err)
	case err != nil:
		return nil, "", fmt.Errorf("open %s: %w", path, err)
	}
	err = b.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(idBucket)
		if bucket == nil || string(bucket.Get(format)) != string(format1) {
			return fmt.Errorf("%w: %s", engine.ErrForeign, path)
		}
		id = engine.DBID(bucket.Get(idKey))
		return nil
	})
	if err != nil {
		return nil, "", errors.Join(err, b.Close())
	}
	return b, id, nil
}

// begin starts a transaction on the present file.
func (f *file) begin(writable bool) (*bbolt.Tx, error) {
	f.swap.RLock()
	defer f.swap.RUnlock()
	if f.dropped {
		return nil, engine.ErrNoDB
	}
	if f.closed {
		return nil, engine.ErrClosed
	}
	tx, err := f.bolt.Begin(writable)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return nil, engine.ErrClosed
	}
	return tx, err
}

// drop makes all further calls fail; the caller removes the file.
func (f *file) drop() {
	f.swap.Lock()
	f.dropped = true
	f.swap.Unlock()
	f.watch.send()
}

func (f *file) close() error {
	f.write.Lock() // a compaction or an Update under way ends first
	defer f.write.Unlock()
	f.swap.Lock()
	if f.closed {
		f.swap.Unlock()
		return nil
	}
	f.closed = true
	b := f.bolt
	f.swap.Unlock()
	return b.Close() // waits for readers
}
