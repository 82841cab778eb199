//go:build unix

package pgtest

import (
	"os/exec"
	"syscall"
)

// runAs has a program run as somebody, this process's own user if as is nil, and in a group of processes of
// its own, which signals from the keyboard do not reach.
func runAs(cmd *exec.Cmd, as *owner) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if as != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: as.Uid, Gid: as.Gid}
	}
}

func kill(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }
