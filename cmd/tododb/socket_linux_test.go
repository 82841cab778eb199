package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A socket is closed to others from its first moment on, and not only once its mode has been changed.
func TestLocalSocketIsNeverOpen(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tododb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := bindLocal(t.Context(), filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Lstat(filepath.Join(dir, "socket")); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
