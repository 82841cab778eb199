//go:build unix

package durable

import (
	"errors"
	"os"
	"syscall"
)

// Lock takes a lock that the kernel keeps until the file is closed. The error is
// ErrLocked if another process has it.
func Lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
