package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// withUser puts the administrator's credentials into a server's URL.
func withUser(base string) string {
	return strings.Replace(base, "://", "://"+testUser+":"+testPassword+"@", 1)
}

// put writes as the administrator and expects a 201.
func put(t *testing.T, base, path, body string) {
	t.Helper()
	r, err := http.NewRequest("PUT", base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(testUser, testPassword)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 201 {
		t.Fatalf("PUT %s: %s", path, answer.Status)
	}
}

func serveInBackground(t *testing.T, dir string) (base string, stop func() error) {
	t.Helper()
	t.Setenv("COUCHDB_USER", testUser)
	t.Setenv("COUCHDB_PASSWORD", testPassword)
	base, _, stop = background(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--log-level", "none")
	return base, stop
}

func TestReplicateCommand(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	base, stop := serveInBackground(t, here)
	other, stopOther := serveInBackground(t, there)
	put(t, base, "/notes", "")
	for i := range 25 {
		put(t, base, fmt.Sprintf("/notes/n%d", i), `{"a":1}`)
	}
	source, target := withUser(base)+"/notes", withUser(other)+"/copy"
	replicate := func(args ...string) string {
		t.Helper()
		out, err := runFor(t, append([]string{"replicate"}, args...)...)
		if err != nil {
			t.Fatalf("replicate %q: %v", args, err)
		}
		return out
	}

	if _, err := runFor(t, "replicate", source, target); exitCode(err) != 6 || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), "--create-target") || strings.Contains(err.Error(), testPassword) {
		t.Errorf("a target that is not there: %v", err)
	}
	if out := replicate(source, target, "--create-target"); !strings.Contains(out, "documents written: 25, refused by the target: 0") {
		t.Errorf("first run: %q", out)
	}
	if out := replicate(source, target); !strings.Contains(out, "nothing new") {
		t.Errorf("second run: %q", out)
	}
	put(t, base, "/notes/late", "{}")
	if out := replicate(source, target); !strings.Contains(out, "documents written: 1, refused by the target: 0") {
		t.Errorf("third run: %q", out)
	}

	// Continuously, until it is interrupted.
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"replicate", "--continuous", source, target}, &syncBuffer{}) }()
	put(t, base, "/notes/later", "{}")
	for end := time.Now().Add(time.Minute); get(t, other+"/copy/later", testUser, testPassword) != 200; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the change did not arrive")
		}
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("interrupted: %v", err)
	}

	// Into a folder that no server has, and out of one.
	backup := t.TempDir() + "/backup"
	if _, err := runFor(t, "replicate", source, "notes", "--data", here); err == nil || !strings.Contains(err.Error(), errInUse.Error()) {
		t.Errorf("into the folder of a running server: %v", err)
	}
	if out := replicate(source, "kept/notes", "--data", backup, "--create-target"); !strings.Contains(out, "written: 27") {
		t.Errorf("into a folder: %q", out)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if out := replicate("kept/notes", withUser(other)+"/restored", "--data", backup, "--create-target"); !strings.Contains(out, "written: 27") {
		t.Errorf("out of a folder: %q", out)
	}
	if got := get(t, other+"/restored/n7", testUser, testPassword); got != 200 {
		t.Errorf("a restored document: %d", got)
	}
	if err := stopOther(); err != nil {
		t.Fatal(err)
	}
	if out, err := runFor(t, "check", "--data", backup); err != nil {
		t.Errorf("check of the backup: %v\n%s", err, out)
	}
}
