//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// If only a few files may be open, databases that nobody uses are closed to make room for others
// and for the settings file.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	server := startConfined(t, confinement{Files: 40}, t.TempDir(), "")
	for i := range 60 {
		server.do(201, "PUT", fmt.Sprintf("/db%d", i), "")
		server.do(201, "PUT", fmt.Sprintf("/db%d/doc", i), "{}")
	}
	for i := range 60 {
		server.do(200, "GET", fmt.Sprintf("/db%d/doc", i), "")
	}
	server.do(200, "PUT", "/_node/_local/_config/couchdb/max_dbs_open", `"700"`)
	server.stop()
}

// smallDisk mounts a disk of some size, in memory.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("a small file system cannot be mounted:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// On a full disk writes are refused with an error that says so, and nothing changes. When there is
// space again, everything goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "4m")
	data := filepath.Join(dir, "data")
	server := startServer(t, data, "")
	server.do(201, "PUT", "/db", "")
	for i := range 50 {
		server.do(201, "PUT", fmt.Sprintf("/db/%d", i), "{}")
	}
	server.do(200, "PUT", "/_node/_local/_config/couchdb/max_dbs_open", `"600"`)
	ballast := filepath.Join(dir, "ballast")
	fillUp(t, ballast)
	for _, body := range []string{`{"text":"` + incompressible(2000) + `"}`, "{}"} { // a journal has some room of its own
		for n := 0; ; n++ {
			if status, text := server.try("POST", "/db", body); status == 507 {
				break
			} else if status != 201 || n == 10_000 {
				t.Fatalf("document %d on a full disk: %d %s", n, status, text)
			}
		}
	}
	for n := 0; ; n++ { // the record of a new database is shorter than any other
		if status, text := server.try("PUT", fmt.Sprintf("/a%02d", n), ""); status == 507 {
			break
		} else if status != 201 || n == 99 {
			t.Fatalf("database %d on a full disk: %d %s", n, status, text)
		}
	}

	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/new", ""}, {"PUT", "/_node/_local/_config/couchdb/max_dbs_open", `"700"`},
		{"DELETE", "/_node/_local/_config/couchdb/max_dbs_open", ""},
		{"PUT", "/db/large", `{"text":"` + incompressible(200_000) + `"}`},
		{"PUT", "/db/att/a", incompressible(1 << 20)},
		{"POST", "/db/_bulk_docs", `{"docs":[` + strings.Repeat(`{"text":"`+incompressible(500)+`"},`, 1000) + `{}]}`},
	} {
		status, text := server.try(c.method, c.path, c.body)
		if status != 507 || !strings.Contains(text, "insufficient_storage") {
			t.Errorf("%s %s: %d %.200s", c.method, c.path, status, text)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(data, "databases", "new*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
	server.do(404, "GET", "/new", "")
	server.do(404, "GET", "/db/large", "")
	if got := strings.TrimSpace(server.do(200, "GET", "/_node/_local/_config/couchdb/max_dbs_open", "")); got != `"600"` {
		t.Errorf("max_dbs_open is %s", got)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	server.do(201, "PUT", "/new", "")
	server.do(201, "PUT", "/db/small", "{}")
	server.stop()
	if out, code := tododb(t, "check", "--data", data); code != 0 {
		t.Errorf("check: %d\n%s", code, out)
	}
}

// A disk that nothing but documents has filled refuses more of them, before it is wholly full: what stands in the journal
// still comes to the files, and who deletes documents or databases has room again, without help from outside. Nothing that was
// acknowledged is lost.
func TestDiskFullOfDocuments(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := smallDisk(t, "8m")
	data := filepath.Join(dir, "data")
	server := startServer(t, data, "")
	server.do(201, "PUT", "/one", "")
	server.do(201, "PUT", "/two", "")
	revs := map[string]string{}
	n := 0
	fill := func() {
		t.Helper()
		for refused := 0; refused < 5; n++ {
			id := fmt.Sprintf("/%s/%d", []string{"one", "two"}[n%2], n)
			status, text := server.try("PUT", id, `{"text":"`+incompressible(4000)+`"}`)
			switch {
			case status == 201:
				revs[id], refused = revOf(t, text), 0
			case status == 507 && strings.Contains(text, "insufficient_storage") && n < 10_000:
				refused++
			default:
				t.Fatalf("document %d: %d %s", n, status, text)
			}
		}
	}
	all := func() {
		t.Helper()
		for id := range revs {
			server.do(200, "GET", id, "")
		}
	}
	fill()
	if len(revs) < 500 {
		t.Errorf("%d documents fill the disk", len(revs))
	}
	server.do(507, "PUT", "/three", "")
	server.do(507, "PUT", "/one/large", `{"text":"`+incompressible(600_000)+`"}`)
	server.do(201, "PUT", "/one/_local/checkpoint", "{}")
	server.stop()
	if size := journalSize(t, data); size > 200_000 {
		t.Errorf("after a stop the journal has %d bytes", size)
	}
	server = startServer(t, data, "")
	all()
	server.do(507, "PUT", "/one/another", `{"text":"`+incompressible(100_000)+`"}`)
	even := false
	for id, rev := range revs {
		if even = !even; even {
			server.do(200, "DELETE", id+"?rev="+rev, "")
			delete(revs, id)
		}
	}
	server.do(202, "POST", "/one/_compact", "{}")
	within(t, time.Minute, func() bool {
		status, _ := server.try("PUT", "/one/again", `{"text":"`+incompressible(100_000)+`"}`)
		return status == 201
	})
	all()
	fill()
	server.do(200, "DELETE", "/two", "")
	for id := range revs {
		if strings.HasPrefix(id, "/two/") {
			delete(revs, id)
		}
	}
	within(t, time.Minute, func() bool { status, _ := server.try("PUT", "/three", ""); return status == 201 }) // its file is closed
	server.do(201, "PUT", "/three/large", `{"text":"`+incompressible(600_000)+`"}`)
	all()
	server.stop()
	if out, code := tododb(t, "check", "--data", data); code != 0 {
		t.Errorf("check: %d\n%s", code, out)
	}
}

// journalSize is how much the files of the journal take.
func journalSize(t *testing.T, data string) (size int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "journal", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

// On a small disk the guard refuses documents before the disk is full. Deletions, reads and a compaction
// go on, and when that has made room, so do documents.
func TestDiskGuardOnASmallDisk(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := smallDisk(t, "24m")
	server := startServer(t, filepath.Join(dir, "data"), "")
	for name, value := range map[string]string{"disk_monitor/interactive_database_writes_threshold": "40", "smoosh/enable": "false", "disk_monitor/enable": "true"} {
		server.do(200, "PUT", "/_node/_local/_config/"+name, `"`+value+`"`)
	}
	server.do(201, "PUT", "/db", "")
	revs := map[string]string{}
	for status, n := 201, 0; status != 507; n++ {
		if n == 300 {
			t.Fatal("the disk is full, and nothing was refused")
		}
		id, text := fmt.Sprintf("/db/%d", n), ""
		if status, text = server.try("PUT", id, `{"text":"`+incompressible(100_000)+`"}`); status == 201 {
			revs[id] = revOf(t, text)
			time.Sleep(40 * time.Millisecond) // the guard asks every 3 seconds: until then half of the disk at most
		} else if status != 507 || !strings.Contains(text, "nearly full") {
			t.Fatalf("%d %s", status, text)
		}
	}
	if len(revs) < 10 {
		t.Fatalf("after %d documents it is nearly full", len(revs))
	}
	for id, rev := range revs {
		server.do(200, "GET", id, "")
		server.do(200, "DELETE", id+"?rev="+rev, "")
	}
	server.do(202, "POST", "/db/_compact", "{}")
	within(t, time.Minute, func() bool { status, _ := server.try("PUT", "/db/again", `{}`); return status == 201 })
	server.stop()
}

// fillUp writes a file until there is no space left.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		_, err := f.Write(chunk)
		if errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
