package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

// folder is where the segments are. Tests have one that fails.
type folder interface {
	// lock keeps other processes away until what it returns is closed.
	lock() (io.Closer, error)
	names() ([]string, error)
	open(name string, write bool) (file, error)
	create(name string) (file, error) // an empty one, whatever was there
	rename(from, to string) error
	remove(name string) error
	sync() error // makes the names durable
	path(name string) string
}

// file is an open segment.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Sync makes the contents durable.
	Sync() error
	Size() (int64, error)
}

// dir is a folder of the system.
type dir struct {
	dir    string
	noSync bool
	wait   time.Duration // for the lock
}

const lockName = "lock"

func (d dir) lock() (io.Closer, error) {
	f, err := os.OpenFile(d.path(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(d.wait); ; time.Sleep(10 * time.Millisecond) {
		err := durable.Lock(f)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, durable.ErrLocked) || !time.Now().Before(end) {
			f.Close()
			return nil, fmt.Errorf("%w: %s: %w", engine.ErrUnavailable, d.dir, err)
		}
	}
}

func (d dir) names() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (d dir) open(name string, write bool) (file, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	f, err := os.OpenFile(d.path(name), flag, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f, d.noSync}, nil
}

func (d dir) create(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f, d.noSync}, nil
}

func (d dir) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }
func (d dir) remove(name string) error     { return os.Remove(d.path(name)) }
func (d dir) path(name string) string      { return filepath.Join(d.dir, name) }

func (d dir) sync() error {
	if d.noSync {
		return nil
	}
	return durable.Names(d.dir)
}

// osFile is a file of the system.
type osFile struct {
	*os.File
	noSync bool
}

func (f osFile) Sync() error {
	if f.noSync {
		return nil
	}
	return syncData(f.File)
}

func (f osFile) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}
