//go:build unix && !linux

package worker

import (
	"os"
	"syscall"
)

func program() (string, error) { return os.Executable() }

// attributes of a worker's process: it does not get a terminal's signals.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func confineStarted(*os.Process, int64) error { return nil } // it confines itself
