package pgtest

import (
	"os"
	"os/exec"
)

// Windows has no users to become, and no shell that start needs: servers are not started there.
func runAs(*exec.Cmd, *owner) {}

func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
