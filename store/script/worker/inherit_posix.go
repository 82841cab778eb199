//go:build unix && !linux

package worker

import "syscall"

// closeOnExec keeps inherited files from processes that this one starts: Go's own files are
// safe already.
func closeOnExec() {
	for fd := 3; fd < 256; fd++ {
		syscall.CloseOnExec(fd)
	}
}
