//go:build unix && !linux

package worker

import "syscall"

// closeOnExec keeps for this process what files it has been given by the one that started
// it: Go's own are kept already.
func closeOnExec() {
	for fd := 3; fd < 256; fd++ {
		syscall.CloseOnExec(fd)
	}
}
