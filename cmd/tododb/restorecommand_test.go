package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What comes back besides whole databases: a document with its attachments as they are stored, settings,
// synchronizations.
func TestRestoreCommand(t *testing.T) {
	t.Parallel()
	server := startServer(t, t.TempDir(), "")
	target := filepath.Join(t.TempDir(), "backups")
	run := func(code int, args ...string) string {
		t.Helper()
		out, got := tododb(t, append(args, "--url", withLogin(server))...)
		if got != code {
			t.Fatalf("tododb %q: exit %d, want %d\n%s", args, got, code, out)
		}
		return out
	}
	set := func(name, value string) {
		t.Helper()
		server.do(200, "PUT", "/_node/_local/_config/"+name, `"`+value+`"`)
	}
	for _, db := range []string{"notes", "copy"} {
		server.do(201, "PUT", "/"+db, "")
	}
	text := strings.Repeat("a text that was compressed where it came from ", 50)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(text))
	z.Close()
	body := fmt.Sprintf("--x\r\n\r\n"+`{"_rev":"1-a","_attachments":{"f.txt":{"follows":true,"revpos":1,"content_type":"text/plain","length":%d,"encoding":"gzip","encoded_length":%d}}}`+"\r\n--x\r\n\r\n%s\r\n--x--", len(text), packed.Len(), packed.Bytes())
	if status, answer := server.try("PUT", "/notes/packed?new_edits=false", body, "Content-Type", `multipart/related; boundary="x"`); status != 201 {
		t.Fatal(answer)
	}
	stored := server.do(200, "GET", "/notes/packed?att_encoding_info=true", "")
	set("log/level", "warning")
	set("chttpd/socket", "/not/there/either")
	var sync struct{ ID string }
	if err := json.Unmarshal([]byte(server.do(201, "POST", "/notes/_synchronizations", `{"remote":"copy","continuous":true}`)), &sync); err != nil || sync.ID == "" {
		t.Fatal(err)
	}
	run(0, "backup", target)
	made := time.Now()

	set("log/level", "info")
	set("chttpd/socket", "")
	server.do(200, "DELETE", "/notes/packed?rev=1-a", "")
	server.do(200, "DELETE", "/notes/_synchronizations/"+sync.ID, "")

	document := []string{"restore", target, "--db", "notes", "--doc", "packed"}
	if out := run(0, append(document, "--dry-run")...); !strings.Contains(out, "packed: could be restored") {
		t.Error(out)
	}
	server.do(404, "GET", "/notes/packed", "")
	run(0, document...)
	if again := server.do(200, "GET", "/notes/packed?att_encoding_info=true", ""); attached(t, again) != attached(t, stored) {
		t.Errorf("restored is %s, was %s", again, stored)
	}
	if got := server.do(200, "GET", "/notes/packed/f.txt", ""); got != text {
		t.Errorf("the attachment has %d bytes, want %d", len(got), len(text))
	}

	level := func() string { return strings.TrimSpace(server.do(200, "GET", "/_node/_local/_config/log/level", "")) }
	settings := []string{"restore", target, "--db", "notes", "--as", "was", "--settings"}
	if out := run(0, append(settings, "--dry-run")...); !strings.Contains(out, "1 setting could be set") || level() != `"info"` {
		t.Errorf("%s\n%s", level(), out)
	}
	server.do(404, "GET", "/was", "")
	if out := run(0, settings...); !strings.Contains(out, "1 setting set") || level() != `"warning"` {
		t.Errorf("%s\n%s", level(), out)
	}
	if socket := strings.TrimSpace(server.do(200, "GET", "/_node/_local/_config/chttpd/socket", "")); socket != `""` {
		t.Errorf("the socket of this machine is set to %s", socket)
	}

	run(0, "restore", target, "--db", "_synchronizations", "--replace")
	if list := server.do(200, "GET", "/notes/_synchronizations", ""); !strings.Contains(list, sync.ID) {
		t.Errorf("the synchronizations are %s", list)
	}
	server.do(201, "PUT", "/notes/later", `{}`)
	within(t, time.Minute, func() bool { status, _ := server.try("GET", "/copy/later", ""); return status == 200 })

	// A time means the newest backup that is not younger, as ls shows it.
	await(t, "the next second", func() bool { return time.Now().Truncate(time.Second).After(made) })
	run(0, "backup", target)
	times := []string{}
	list, _ := tododb(t, "backup", "ls", target)
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); f[0] != "ID" {
			times = append(times, f[1]+" "+f[2])
		}
	}
	if slices.Sort(times); len(times) != 2 {
		t.Fatalf("there are backups of %q", times)
	}
	for i, at := range times {
		name := fmt.Sprintf("at%d", i)
		run(0, "restore", target, "--db", "notes", "--as", name, "--at", at)
		if status, answer := server.try("GET", "/"+name+"/later", ""); (status == 200) != (i == 1) {
			t.Errorf("restored as of %s: %d %s", at, status, answer)
		}
	}
	if out := run(6, "restore", target, "--db", "notes", "--as", "none", "--at", "2001-02-03 04:05"); !strings.Contains(out, "no such backup") {
		t.Error(out)
	}
	server.stop()
}

// attached is what a document says of its attachments.
func attached(t *testing.T, doc string) string {
	t.Helper()
	var d struct {
		Attachments map[string]map[string]any `json:"_attachments"`
	}
	if err := json.Unmarshal([]byte(doc), &d); err != nil || len(d.Attachments) != 1 {
		t.Fatalf("%v: %s", err, doc)
	}
	for _, a := range d.Attachments {
		delete(a, "revpos") // it may be the revision that the restore made
	}
	return fmt.Sprint(d.Attachments)
}

// A backup that follows a server ships what changes, until it is interrupted.
func TestFollowOverHTTP(t *testing.T) {
	t.Parallel()
	server := startServer(t, t.TempDir(), "")
	target := filepath.Join(t.TempDir(), "backups")
	server.do(201, "PUT", "/notes", "")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var out syncBuffer
	follow := exec.Command(path, "backup", target, "--follow", "--url", withLogin(server))
	follow.Stdout, follow.Stderr = &out, &out
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { follow.Process.Kill() })
	for _, id := range []string{"first", "second"} {
		server.do(201, "PUT", "/notes/"+id, `{}`)
		within(t, time.Minute, func() bool {
			shown, code := tododb(t, "backup", "show", target, "--db", "notes")
			return code == 0 && strings.Contains(shown, "\n"+id+" ")
		})
	}
	server.do(201, "PUT", "/notes/last", `{}`) // in the moment of the interrupt
	follow.Process.Signal(syscall.SIGINT)
	if err := follow.Wait(); err != nil || !strings.Contains(out.String(), "\nstopped: the newest backup is ") {
		t.Errorf("interrupted: %v\n%s", err, &out)
	}
	if shown, _ := tododb(t, "backup", "show", target, "--db", "notes"); !strings.Contains(shown, "\nlast ") {
		t.Errorf("what was written last was not shipped:\n%s\n%s", shown, &out)
	}
	if all, code := tododb(t, "backup", "verify", target); code != 0 {
		t.Error(all)
	}
	server.stop()
}
