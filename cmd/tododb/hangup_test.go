package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A SIGHUP that comes while the server starts, or stops, does not end it.
func TestHangupWhileItStarts(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := &syncBuffer{}
	cmd := exec.Command(path, "serve", "--data", dir, "--listen", freeAddress(t), "--config", quickLogins(t))
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	listens := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), "listening on ") {
				close(listens)
			}
		}
		cmd.Wait()
	}()
	hang := func(what string, until <-chan struct{}) {
		t.Helper()
		for end := time.After(time.Minute); ; {
			cmd.Process.Signal(syscall.SIGHUP)
			select {
			case <-until:
				return
			case <-ended:
				return
			case <-end:
				t.Fatalf("it does not %s\n%s", what, log)
			case <-time.After(time.Millisecond):
			}
		}
	}
	await(t, "the folder of the server", func() bool { // it has begun
		_, err := os.Stat(filepath.Join(dir, "lock"))
		return err == nil
	})
	hang("start", listens)
	select {
	case <-ended:
		t.Fatalf("while it starts: %v\n%s", cmd.ProcessState, log)
	default:
	}
	cmd.Process.Signal(syscall.SIGTERM)
	hang("stop", ended)
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %v\n%s", cmd.ProcessState, log)
	}
}
