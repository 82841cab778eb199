package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPouchDBRestore puts a server back to an earlier time while devices and another server sync with
// it: nothing that any of them ever wrote is missing afterwards, and nothing comes back that was
// deleted before.
func TestPouchDBRestore(t *testing.T) {
	t.Parallel()
	folder := scriptFolder(t)
	server, peer := startServer(t, t.TempDir(), ""), startServer(t, t.TempDir(), "")
	for _, p := range []*process{server, peer} {
		p.do(201, "PUT", "/notes", "")
	}
	for _, both := range [][2]string{{withLogin(server), withLogin(peer)}, {withLogin(peer), withLogin(server)}} {
		job, _ := json.Marshal(map[string]any{"source": both[0] + "/notes", "target": both[1] + "/notes", "continuous": true})
		peer.do(202, "POST", "/_replicate", string(job))
	}
	target := filepath.Join(t.TempDir(), "backups")
	run := func(args ...string) {
		t.Helper()
		out, code := tododb(t, args...)
		t.Logf("tododb %s: exit %d\n%s", args[0], code, out)
		if code != 0 {
			t.Fail()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, "node", "restore.js", server.base, testUser, testPassword, peer.base)
	script.Dir = folder
	var problems bytes.Buffer
	script.Stderr = &problems
	stdin, err := script.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := script.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		t.Log(lines.Text())
		switch {
		case lines.Text() == "backup":
			run("backup", target, "--url", withLogin(server))
			fmt.Fprintln(stdin, "done")
		case lines.Text() == "restore":
			run("restore", target, "--db", "notes", "--replace", "--forget-clients", "--url", withLogin(server))
			fmt.Fprintln(stdin, "done")
		case strings.HasPrefix(lines.Text(), "ok "):
			steps++
		}
	}
	if err := script.Wait(); err != nil || steps != 4 {
		t.Fatalf("%d steps, %v\n%s\n%s", steps, err, &problems, server.log)
	}
	server.stop()
	peer.stop()
}
