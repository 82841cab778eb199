package intake

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrNoRoom says that the disk has no room for a body.
var ErrNoRoom = errors.New("no room on the disk for the request's body")

// ErrSpool says that the server could not store a body for another reason.
var ErrSpool = errors.New("keep request")

// Spool is the folder in which long bodies wait.
type Spool struct{ dir string }

// OpenSpool creates or empties the folder. Only this process uses it, so it can contain only
// what a crash left.
func OpenSpool(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for long requests: %w", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("folder for long requests: %w", err)
	}
	for _, f := range left {
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			return nil, fmt.Errorf("folder for long requests: %w", err)
		}
	}
	return &Spool{dir}, nil
}

// Close removes the folder, unless an operator has put it elsewhere: then a link stays, and so does what is mounted.
// Open bodies stay open if the system allows files without a name.
func (s *Spool) Close() error {
	if info, err := os.Lstat(s.dir); err == nil && info.Mode().Type() == fs.ModeSymlink {
		_, err := OpenSpool(s.dir)
		return err
	}
	if err := os.RemoveAll(s.dir); err != nil && !errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("folder for long requests: %w", err)
	}
	return nil
}

// File is bytes on disk, written in order and then read.
type File struct {
	f    *os.File
	name string // "" once it has none
	size int64
	view []byte // of Bytes
}

// Create creates a file, or returns ErrNoRoom.
func (s *Spool) Create() (*File, error) {
	f, err := os.CreateTemp(s.dir, "body-*")
	if err != nil {
		return nil, spoolError(err)
	}
	file := &File{f: f, name: f.Name()}
	if os.Remove(f.Name()) == nil { // otherwise Close removes it
		file.name = ""
	}
	return file, nil
}

// Write appends bytes, or returns ErrNoRoom.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	f.size += int64(n)
	if err != nil {
		err = spoolError(err)
	}
	return n, err
}

// Size returns how many bytes have been written.
func (f *File) Size() int64 { return f.size }

// ReadAt reads what has been written.
func (f *File) ReadAt(p []byte, at int64) (int, error) { return f.f.ReadAt(p, at) }

// Bytes maps the whole file until Close. If the disk cannot be read, using the bytes causes a
// fault. debug.SetPanicOnFault turns it into a panic.
func (f *File) Bytes() ([]byte, error) {
	if f.view != nil || f.size == 0 {
		return f.view, nil
	}
	if int64(int(f.size)) != f.size {
		return nil, ErrNoRoom // in the address space of a 32-bit machine
	}
	var err error
	if f.view, err = mapFile(f.f, int(f.size)); err != nil {
		return nil, fmt.Errorf("%w: map: %w", ErrSpool, err)
	}
	return f.view, nil
}

// Close releases the bytes and removes the file.
func (f *File) Close() error {
	var errs []error
	if f.view != nil {
		errs = append(errs, unmapFile(f.view))
		f.view = nil
	}
	errs = append(errs, f.f.Close())
	if f.name != "" {
		errs = append(errs, os.Remove(f.name))
	}
	return errors.Join(errs...)
}

func spoolError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, errQuota) || errors.Is(err, errFullDisk) {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return fmt.Errorf("%w: %w", ErrSpool, err)
}
