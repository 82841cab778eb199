package journal

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes the contents of a file durable, and of what is noted of it only what reading them needs.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
