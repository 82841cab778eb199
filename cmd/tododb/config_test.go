package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestConfigSaysWhereSettingsComeFrom(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "tododb.ini")
	for path, text := range map[string]string{
		file: "[couchdb]\nmax_dbs_open = 7\n[admins]\nann = cleartext\n", filepath.Join(dir, "local.ini"): "[cors]\nmax_age = 60\n[chttpd_auth]\nsecret = cleartext\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TODODB_LOG_LEVEL", "debug")
	out, err := runFor(t, "config", "--data", dir, "--config", file, "--listen", ":1234")
	if err != nil {
		t.Fatal(err)
	}
	squeezed := strings.Join(strings.Fields(out), " ")
	for _, line := range []string{
		"max_dbs_open = 7 ; " + file, "max_age = 60 ; local.ini", "level = debug ; environment", "port = 1234 ; command line",
		"max_document_size = 8000000 ; default", "ann = **** ; " + file, "secret = **** ; local.ini",
	} {
		if !strings.Contains(squeezed, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	if strings.Contains(out, "cleartext") {
		t.Errorf("a secret in\n%s", out)
	}
	if out, err := runFor(t, "config", "--data", dir, "cors"); err != nil || !strings.HasPrefix(out, "[cors]\n") || strings.Contains(out, "[log]") {
		t.Errorf("one section: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"config", "--data", dir, "nope"}, {"config", "a", "b"}, {"config", "--log-level", "loud"}} {
		if _, err := runFor(t, args...); exitCode(err) != 2 {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// SIGHUP reads the files again; a mistake in them changes nothing.
func TestHangupReloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "tododb.ini")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[couchdb]\nmax_dbs_open = 7\n")
	p := startServer(t, dir, "", "--config", file)
	const path = "/_node/_local/_config/couchdb/max_dbs_open"
	hangUp := func(want, said string) {
		t.Helper()
		p.cmd.Process.Signal(syscall.SIGHUP)
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if strings.Contains(p.log.String(), said) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("the log does not say %q\n%s", said, p.log)
			}
		}
		if got := p.do(200, "GET", path, ""); strings.TrimSpace(got) != want {
			t.Errorf("max_dbs_open is %s, want %s", got, want)
		}
	}
	write("[couchdb]\nmax_dbs_open = 8\n[admins]\nann = ann's\n")
	hangUp(`"8"`, "settings reloaded")
	if got := get(t, p.base+"/_all_dbs", "ann", "ann's"); got != 200 {
		t.Errorf("the new administrator: %d", got)
	}
	write("[couchdb]\nmax_dbs_open = none\n")
	hangUp(`"8"`, "cannot read the settings; keeping the old ones")
	write("[couchdb]\nmax_dbs_open = 9\n")
	p.do(200, "POST", "/_node/_local/_config/_reload", "")
	if got := p.do(200, "GET", path, ""); strings.TrimSpace(got) != `"9"` {
		t.Errorf("max_dbs_open is %s after _reload", got)
	}
	p.stop()
}
