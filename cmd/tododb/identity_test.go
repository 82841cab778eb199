package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/config"
)

// closed is a standard output that takes nothing.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A password that could not be shown is not in force: the next start makes another one, and shows that.
func TestPasswordThatNobodySaw(t *testing.T) {
	at := config.Options{Local: filepath.Join(t.TempDir(), "local.ini")}
	start := func() *config.Config {
		t.Helper()
		cfg, err := config.Open(at)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	if _, err := firstAdministrators(start(), closed{}); err == nil {
		t.Error("it is no error that the password was not shown")
	}
	var said strings.Builder
	next := start()
	if printed, err := firstAdministrators(next, &said); err != nil || printed != "admin" {
		t.Fatalf("the next start makes %q, %v", printed, err)
	}
	_, rest, _ := strings.Cut(said.String(), "the password ")
	password, _, _ := strings.Cut(rest, ",")
	if hash := start().Section("admins")["admin"]; password == "" || !matches(hash, password) {
		t.Errorf("the password of %q is not in force", said.String())
	}
}

// A server that has lost its identity says so, and a new one does not.
func TestLostIdentityIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "local.ini")
	p := startServer(t, dir, "")
	p.stop()
	if strings.Contains(p.log.String(), file) {
		t.Errorf("a new server says\n%s", p.log)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p = startServer(t, dir, "")
	p.stop()
	if !strings.Contains(p.log.String(), file) {
		t.Errorf("the log does not name %s\n%s", file, p.log)
	}
}
