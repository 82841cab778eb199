//go:build unix

package main

import (
	"syscall"
	"testing"
)

// atOneMoment does something at one moment of a running server, as a snapshot of its file system would be.
func atOneMoment(t *testing.T, p *process, take func()) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	take()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
