//go:build !unix || solaris || illumos || aix

package bolt

import (
	"os"
	"time"
)

// lockFile leaves it to bbolt to lock the file.
func lockFile(*os.File, time.Duration) (bool, error) { return true, nil }

// unlockFile leaves it to the closing of the file.
func unlockFile(*os.File) {}
