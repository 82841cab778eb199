package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/tododb/tododb/store/widetest"
)

// TestPouchDBRestore puts a server back to an earlier time while devices and another server sync with
// it: nothing that any of them ever wrote is missing afterwards, and nothing comes back that was
// deleted before.
func TestPouchDBRestore(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	scriptFolder(t)
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
	steps, err := converse(t, []string{"restore.js", server.base, testUser, testPassword, peer.base}, map[string]func(){
		"backup": func() { run("backup", target, "--url", withLogin(server)) },
		"restore": func() {
			run("restore", target, "--db", "notes", "--replace", "--forget-clients", "--url", withLogin(server))
		},
	})
	if err != nil || steps != 4 {
		t.Fatalf("%d steps, %v\n%s", steps, err, server.log)
	}
	server.stop()
	peer.stop()
}

// TestRxDBRestore does the same with devices of RxDB, which keep on their own side alone what they have sent.
func TestRxDBRestore(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	scriptFolder(t)
	server := startServer(t, t.TempDir(), "")
	server.do(201, "PUT", "/notes", "")
	target := filepath.Join(t.TempDir(), "backups")
	run := func(args ...string) {
		t.Helper()
		if out, code := tododb(t, args...); code != 0 {
			t.Errorf("tododb %s: exit %d\n%s", args[0], code, out)
		}
	}
	steps, err := converse(t, []string{"rxrestore.js", server.base, testUser, testPassword}, map[string]func(){
		"backup":  func() { run("backup", target, "--url", withLogin(server)) },
		"restore": func() { run("restore", target, "--db", "notes", "--replace", "--url", withLogin(server)) },
	})
	if err != nil || steps != 4 {
		t.Fatalf("%d steps, %v\n%s", steps, err, server.log)
	}
	server.stop()
}
