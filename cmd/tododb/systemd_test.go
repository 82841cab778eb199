//go:build linux

package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// systemd hears that the server has started when it answers, and not before, and that it stops.
func TestSystemdHearsOfTheStart(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tododb") // the path of t.TempDir may be longer than a socket's can be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "notify")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	hear := func() string {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 1000)
		n, err := socket.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:n])
	}
	listen := freeAddress(t)
	up := make(chan int, 1)
	go func() { // as soon as it says so, and not as soon as startServer has waited for it
		defer close(up)
		text := make([]byte, 1000)
		if n, err := socket.Read(text); err != nil || string(text[:n]) != "READY=1" {
			return
		}
		if answer, err := http.Get("http://" + listen + "/_up"); err == nil {
			answer.Body.Close()
			up <- answer.StatusCode
		}
	}()
	server := startServerWith(t, []string{"NOTIFY_SOCKET=" + socket.LocalAddr().String()}, filepath.Join(dir, "data"), listen)
	select {
	case status := <-up:
		if status != http.StatusOK {
			t.Errorf("when the server says that it is ready, /_up is answered with %d", status)
		}
	case <-time.After(time.Minute):
		t.Fatalf("systemd hears nothing\n%s", server.log)
	}
	server.stop()
	if got := hear(); got != "STOPPING=1" {
		t.Errorf("systemd hears %q of the end", got)
	}
}
