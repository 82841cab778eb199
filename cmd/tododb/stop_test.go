package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server that stops ends its feeds properly: a client learns where it was.
func TestStopEndsFeeds(t *testing.T) {
	t.Parallel()
	server := startServer(t, t.TempDir(), "")
	server.do(201, "PUT", "/notes", "")
	server.do(201, "PUT", "/notes/one", "{}")

	feed := open(t, server, "/notes/_changes?feed=continuous&heartbeat=60000")
	lines := bufio.NewScanner(feed.Body)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"one"`) {
		t.Fatalf("the feed begins with %q, %v", lines.Text(), lines.Err())
	}
	poll := open(t, server, "/notes/_changes?feed=longpoll&since=now&heartbeat=60000")
	updates := open(t, server, "/_db_updates?feed=continuous&since=now&heartbeat=60000")

	ends(t, server)

	var last struct {
		LastSeq string `json:"last_seq"`
		Pending *int
	}
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &last) != nil || !strings.HasPrefix(last.LastSeq, "1-") || last.Pending == nil {
		t.Errorf("the feed ends with %q, %v", lines.Text(), lines.Err())
	}
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("after its end the feed has %q, %v", lines.Text(), lines.Err())
	}
	text, err := io.ReadAll(poll.Body)
	if err != nil || json.Unmarshal(text, &last) != nil || last.LastSeq == "" {
		t.Errorf("the long poll ends with %q, %v", text, err)
	}
	if text, err := io.ReadAll(updates.Body); err != nil {
		t.Errorf("_db_updates ends with %q, %v", text, err)
	}
}

// open starts to read a feed.
func open(t *testing.T, server *process, path string) *http.Response {
	t.Helper()
	answer, err := http.DefaultClient.Do(server.request("GET", path, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != 200 {
		t.Fatalf("GET %s: %s", path, answer.Status)
	}
	return answer
}

// A second signal does not wait for anybody.
func TestSecondSignalForces(t *testing.T) {
	t.Parallel()
	server := startServer(t, t.TempDir(), "")
	server.do(201, "PUT", "/notes", "")
	// A request whose body does not come keeps the server from ending in an orderly
	// way. It asks to be told when the server waits for the body.
	conn, err := net.Dial("tcp", server.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := server.request("POST", "/notes/_bulk_docs", "")
	_, err = fmt.Fprintf(conn, "POST /notes/_bulk_docs HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
		server.address(), r.Header.Get("Authorization"))
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	server.cmd.Process.Signal(syscall.SIGTERM)
	for !strings.Contains(server.log.String(), "stopping") {
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case <-server.done:
		t.Fatalf("the server did not wait for the request\n%s", server.log)
	case <-time.After(200 * time.Millisecond):
	}
	began := time.Now()
	server.cmd.Process.Signal(syscall.SIGTERM)
	<-server.done
	// Without it the request is cancelled after some seconds, and the server ends well.
	if took := time.Since(began); took > stopRequests || server.cmd.ProcessState.Success() {
		t.Errorf("the second signal: %v after %v", server.cmd.ProcessState, took)
	}
}
