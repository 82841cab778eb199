//go:build unix

package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestLocalSocket reaches a server by a socket in the file system. It goes when the server stops, is
// replaced when a dead one left it, and takes no place that is somebody else's.
func TestLocalSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tododb") // the path of t.TempDir may be longer than a socket's can be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	at := func(name string) string { return filepath.Join(dir, name) }
	ini := quickLogins(t)

	server := startServer(t, at("data"), "", "--socket", at("socket"))
	if info, err := os.Lstat(at("socket")); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v", info, err)
	}
	server.do(201, "PUT", "/herbs", "")
	server.do(201, "PUT", "/herbs/sage", `{"height":60}`)
	if err := os.WriteFile(at("file"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + testUser + ":" + testPassword + "@" + at("socket")
	second := []string{"serve", "--listen", "127.0.0.1:0", "--config", ini, "--data", at("data2"), "--socket"}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"backup", at("backups"), "--url", socket}, 0, " 3 databases, "},
		{[]string{"restore", at("backups"), "--url", socket, "--db", "herbs", "--as", "more"}, 0, "more: 1 document restored"},
		{[]string{"backup", at("backups"), "--url", "unix:" + at("socket")}, 1, "unix:" + at("socket") + " wants to know who asks"},
		{[]string{"backup", at("backups"), "--url", "unix:" + at("none")}, 7, "no such file"},
		{[]string{"backup", at("backups"), "--url", "unix://host/path"}, 2, "the address of a server is like"},
		{append(second, at("socket")), 1, "another server is listening on " + at("socket")},
		{append(second, at("file")), 1, "is no socket"},
		{append(second, at(strings.Repeat("x", 120))), 1, "too long"},
	} {
		if out, code := tododb(t, c.args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("tododb %q: exit %d\n%s\nwant %d and %q", c.args, code, out, c.code, c.want)
		}
	}
	if text, err := os.ReadFile(at("file")); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}

	server.kill()
	if _, err := os.Lstat(at("socket")); err != nil {
		t.Fatal("a crash is to leave the socket:", err)
	}
	server = startServerWith(t, []string{"TODODB_SOCKET=" + at("socket")}, at("data"), "")
	if out, code := tododb(t, "backup", at("backups"), "--url", socket); code != 0 {
		t.Error(out)
	}
	server.stop()
	if _, err := os.Lstat(at("socket")); !os.IsNotExist(err) {
		t.Errorf("the socket of a server that has stopped: %v", err)
	}
}

// Of servers that find a socket which a dead one left, one replaces it. The others do not take it away.
func TestOneServerGetsTheSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tododb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "socket")
	for range 50 {
		left, err := bindLocal(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		left.(*net.UnixListener).SetUnlinkOnClose(false)
		left.Close()
		await(t, "the end of the dead one", func() bool { // a process that was just being started may have had it too
			c, err := net.Dial("unix", path)
			if err == nil {
				c.Close()
			}
			return errors.Is(err, syscall.ECONNREFUSED)
		})
		var starting sync.WaitGroup
		var got [4]*localSocket
		var failed [4]error
		for i := range got {
			starting.Go(func() { got[i], failed[i] = listenLocal(t.Context(), path) })
		}
		starting.Wait()
		have := 0
		for i, s := range got {
			if s != nil {
				have++
				defer s.Close()
			} else if !strings.Contains(failed[i].Error(), "another server is listening") {
				t.Error(failed[i])
			}
		}
		if have != 1 {
			t.Fatalf("%d servers believe that they have it", have)
		}
		os.Remove(path)
	}
}
