package worker

import (
	"os"
	"strconv"
	"syscall"
)

// closeOnExec keeps for this process what files it has been given by the one that started
// it: Go's own are kept already.
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
