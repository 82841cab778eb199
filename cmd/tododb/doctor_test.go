package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What an interrupt has cut off is no fault of the server.
func TestDoctorInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel(); <-ctx.Done() }))
	defer server.Close()
	var out bytes.Buffer
	if err := run(ctx, []string{"doctor", server.URL}, &out); exitCode(err) != 1 || !strings.Contains(err.Error(), "interrupted") || out.Len() > 0 {
		t.Errorf("%v, and prints %s", err, out.String())
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	if out, err := runFor(t, "doctor", "--data", data); exitCode(err) != 8 || !strings.Contains(out, "There is no folder") || !strings.Contains(out, "-> Name the data folder") {
		t.Errorf("%v\n%s", err, out)
	}
	base, _, stop := background(t, "serve", "--data", data, "--listen", "127.0.0.1:0", "--log-level", "none", "--config", quickLogins(t))
	out, err := runFor(t, "doctor", "--data", data, "--json")
	var found struct {
		Healthy  bool
		Findings []struct{ Check, State, Says, Cure string }
	}
	if json.Unmarshal([]byte(out), &found) != nil || found.Healthy != (err == nil) || len(found.Findings) < 9 {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "A server has the folder open.") {
		t.Errorf("the lock is not seen:\n%s", out)
	}
	if out, err := runFor(t, "doctor", base); err != nil || !strings.Contains(out, "ok       reachable: ") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := runFor(t, "doctor", "--up", base); err != nil || !strings.Contains(out, "The server answers.") {
		t.Errorf("%v\n%s", err, out)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := runFor(t, "doctor", "--up", base); exitCode(err) != 8 {
		t.Errorf("nobody is up: %v", err)
	}
	if out, err := runFor(t, "doctor", base); exitCode(err) != 8 || !strings.Contains(out, "Nobody listens at") {
		t.Errorf("%v\n%s", err, out)
	}
	// A program that another test is about to start here may have the lock's file for a moment.
	within(t, time.Minute, func() bool {
		out, _ := runFor(t, "doctor", "--data", data)
		return strings.Contains(out, "No server has the folder open.")
	})
	for _, wrong := range []string{"ftp://x", "http://", "://"} {
		if _, err := runFor(t, "doctor", wrong); exitCode(err) != 2 {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
