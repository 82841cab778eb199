// Package durable keeps the names of files from power cuts, and files from other processes.
package durable

import (
	"errors"
	"os"
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
