//go:build unix && !linux

package worker

import (
	"os"
	"syscall"
)

func program() (string, error) { return os.Executable() }

// attributes of a worker's process: a terminal's signals are not its.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func confineStarted(*os.Process, int64) error { return nil } // it does so itself
