package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tododb/tododb/store/durable"
)

// leftAfter is when a staged file counts as left behind. A lock is one too for a moment, also
// that of somebody who only waits.
const leftAfter = time.Hour

// Folder is a Storage in a folder, with a file for each object.
type Folder struct{ dir string }

// NewFolder returns the storage in a folder, which Keep and Stage make if it is not there.
func NewFolder(dir string) *Folder { return &Folder{filepath.Clean(dir)} }

func (s *Folder) String() string { return s.dir }

// Stage makes the file beside the objects, so that Keep only has to rename it.
func (s *Folder) Stage() (*os.File, error) {
	dir := filepath.Join(s.dir, "staged")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store an object: %w", err)
	}
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return nil, fmt.Errorf("store an object: %w", err)
	}
	return f, nil
}

func (s *Folder) Keep(_ context.Context, f *os.File, name string) error {
	staged, path := f.Name(), s.path(name)
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = s.makeFolders(filepath.Dir(path))
	}
	if err == nil {
		err = os.Rename(staged, path)
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", name, errors.Join(err, os.Remove(staged)))
	}
	if err := durable.Names(filepath.Dir(path)); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return nil
}

// makeFolders makes a folder inside the storage. Each new one is made durable in its parent,
// otherwise a power cut could take it with the synced files in it.
func (s *Folder) makeFolders(dir string) error {
	if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
		return err
	}
	if err := s.makeFolders(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.Names(filepath.Dir(dir))
}

func (s *Folder) Fetch(_ context.Context, name string) (Object, error) {
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, errors.Join(err, f.Close()))
	}
	return file{f, info.Size()}, nil
}

type file struct {
	*os.File
	size int64
}

func (f file) Size() int64 { return f.size }

func (s *Folder) List(ctx context.Context, prefix string, fn func(Entry) error) error {
	err := filepath.WalkDir(s.path(prefix), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // it has just been removed, or there never was one
			return nil
		}
		if err = errors.Join(err, ctx.Err()); err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		name, err := filepath.Rel(s.dir, path)
		if err != nil {
			return err
		}
		return fn(Entry{filepath.ToSlash(name), info.Size(), info.ModTime()})
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", prefix, err)
	}
	return nil
}

func (s *Folder) Remove(_ context.Context, name string) error {
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

func (s *Folder) Clean(ctx context.Context) error {
	return s.List(ctx, "staged/", func(e Entry) error {
		if time.Since(e.Since) < leftAfter {
			return nil
		}
		return s.Remove(ctx, e.Name)
	})
}

func (s *Folder) path(name string) string {
	return filepath.Join(s.dir, filepath.FromSlash(strings.TrimSuffix(name, "/")))
}
