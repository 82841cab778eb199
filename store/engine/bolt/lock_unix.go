//go:build unix && !solaris && !illumos && !aix

package bolt

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lockFile takes the lock that bbolt takes; bbolt then finds it taken by its own process. The
// result is false if another process holds it for the whole timeout.
func lockFile(f *os.File, timeout time.Duration) (bool, error) {
	for end := time.Now().Add(timeout); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err == nil, err
		}
		if !time.Now().Before(end) {
			return false, nil
		}
	}
}

// unlockFile releases it. Closing the file would not do while it is still mapped.
func unlockFile(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
