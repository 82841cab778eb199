//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// lockAlone takes a lock that the kernel keeps until the file is closed. The error is
// errInUse if another process has it.
func lockAlone(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errInUse
	}
	return err
}
