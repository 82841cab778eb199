package worker

import (
	"os"
	"strconv"
	"syscall"
)

// closeOnExec keeps inherited files from processes that this one starts: Go's own files are
// safe already.
func closeOnExec() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
