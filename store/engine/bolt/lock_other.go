//go:build !unix || solaris || illumos || aix

package bolt

import (
	"os"
	"time"
)

// lockFile leaves the locking to bbolt.
func lockFile(*os.File, time.Duration) (bool, error) { return true, nil }

// unlockFile leaves the unlocking to the closing of the file.
func unlockFile(*os.File) {}
