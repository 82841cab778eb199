// Package durable keeps the names of files from power cuts, and files from other processes.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// Names makes the names in a folder durable: what was made, renamed or removed there is so after a power cut
// too. Windows keeps names in the journal of its file system, and has no call for that.
func Names(dir string) error {
	if runtime.GOOS == "windows" {
		_, err := os.Stat(dir)
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Replace puts a file in the place of another in one step, and returns when it is there after a power cut too.
func Replace(path string, text []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // readable by its owner only
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return Names(filepath.Dir(path))
}
