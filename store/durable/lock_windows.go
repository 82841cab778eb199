package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// Lock takes a lock that the kernel keeps until the file is closed. The error is
// ErrLocked if another process has it.
func Lock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// Alone does not wait: a folder cannot be locked here.
func Alone(string) (end func()) { return func() {} }
