package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/widetest"
)

// compact looks at the files of indexes: it reports a damaged one and removes it, and the server
// builds it again.
func TestCompactSeesIndexes(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	dir := t.TempDir()
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/notes", "")
	server.do(201, "PUT", "/notes/a", `{"n":1}`)
	server.do(201, "PUT", "/notes/_design/d", `{"views":{"v":{"map":"function(doc){emit(doc.n,1)}"}}}`)
	want := server.do(200, "GET", "/notes/_design/d/_view/v", "")
	server.stop()
	files, err := filepath.Glob(filepath.Join(dir, "databases", "notes.subs", "*.bolt"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if out, code := tododb(t, "compact", "--data", dir); code != 0 || strings.Contains(out, "damaged") {
		t.Fatalf("of a sound index: exit code %d\n%s", code, out)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 0xaa
	}
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := tododb(t, "check", "--data", dir); code != 3 {
		t.Errorf("check: exit code %d\n%s", code, out)
	}
	if out, code := tododb(t, "compact", "--data", dir); code != 0 || !strings.Contains(out, "removed the damaged index") {
		t.Errorf("compact: exit code %d\n%s", code, out)
	}
	if out, code := tododb(t, "check", "--data", dir); code != 0 {
		t.Errorf("check afterwards: exit code %d\n%s", code, out)
	}
	server = startServer(t, dir, "")
	if got := server.do(200, "GET", "/notes/_design/d/_view/v", ""); got != want {
		t.Errorf("the view afterwards: %s, want %s", got, want)
	}
}
