//go:build unix

package intake

import (
	"os"
	"syscall"
)

const (
	errQuota    = syscall.EDQUOT
	errFullDisk = syscall.ENOSPC
)

func mapFile(f *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
}

func unmapFile(b []byte) error { return syscall.Munmap(b) }
