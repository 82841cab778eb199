package repository

import (
	"os"

	"golang.org/x/sys/unix"
)

// earlyStep is after how many bytes the disk is told to begin.
const earlyStep = 4 << 20

// Written has the disk begin with what was written, so that Keep has little to wait for.
func (s *Folder) Written(f *os.File, from, to int64) {
	if begin, end := from/earlyStep*earlyStep, to/earlyStep*earlyStep; begin < end {
		_ = unix.SyncFileRange(int(f.Fd()), begin, end-begin, unix.SYNC_FILE_RANGE_WRITE) // Keep syncs in any case
	}
}
