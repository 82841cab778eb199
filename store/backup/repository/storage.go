package repository

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// Storage keeps objects under names, which are relative paths with slashes. All methods may be
// called at once. An error that is fs.ErrNotExist says that there is no such object, one that is
// fs.ErrPermission that the storage refuses it.
type Storage interface {
	// Stage makes a file to write an object into. The caller gives it to Keep, or closes and
	// removes it.
	Stage() (*os.File, error)

	// Keep stores the bytes of a staged file under a name, in place of what was there, and returns
	// when they are there durably. Nobody ever sees a part of them. It closes and removes the file,
	// also when it fails.
	Keep(ctx context.Context, f *os.File, name string) error

	// Fetch opens an object for reading. The caller closes it.
	Fetch(ctx context.Context, name string) (Object, error)

	// List calls fn for every object whose name begins with the prefix, which ends with a slash.
	List(ctx context.Context, prefix string, fn func(Entry) error) error

	// Remove removes an object. It is no error if there is none.
	Remove(ctx context.Context, name string) error

	// Clean removes staged files that processes which are gone have left.
	Clean(ctx context.Context) error

	// String names the storage for people, without secrets.
	String() string
}

// Object is the content of an object.
type Object interface {
	io.Reader
	io.ReaderAt
	io.Closer
	Size() int64
}

// Entry is what a listing tells of an object.
type Entry struct {
	Name  string
	Size  int64
	Since time.Time // by the clock of the storage
}

// discard closes and removes a staged file that is not needed.
func discard(f *os.File) error {
	err := f.Close()
	if gone := os.Remove(f.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}
