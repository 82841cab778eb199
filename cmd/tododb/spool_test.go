package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/widetest"
)

// A long request leaves no file: not when it is over, not when the server is killed, and not when
// the server stops. Files from an earlier crash are removed at the start.
func TestSpoolLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spool := filepath.Join(dir, "spool")
	if err := os.MkdirAll(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(spool, "body-old"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := func(when string) {
		t.Helper()
		if left, err := os.ReadDir(spool); len(left) > 0 || err != nil && !os.IsNotExist(err) {
			t.Errorf("%s: %v %v", when, left, err)
		}
	}
	p := startServer(t, dir, "")
	empty("after the start")
	p.do(201, "PUT", "/db", "")
	// The server has got more of this body than it keeps in memory.
	in, out := io.Pipe()
	r := p.request("POST", "/db/_bulk_docs", "")
	r.Header.Set("Content-Type", "application/json")
	r.Body = in
	go http.DefaultClient.Do(r)
	piece := strings.Repeat(" ", 1<<20)
	for range 16 {
		if _, err := io.WriteString(out, piece); err != nil {
			t.Fatal(err)
		}
	}
	empty("while a request is read")
	p.kill()
	out.Close()
	empty("after a kill")
	p = startServer(t, dir, "")
	p.do(201, "POST", "/db/_bulk_docs", `{"docs":[{"_id":"a"}`+strings.Repeat(" ", 4<<20)+`]}`)
	empty("after a request")
	p.do(200, "GET", "/db/a", "")
	p.stop()
	empty("after the stop")
}

// If the disk has no room for a long request, the client is told so, and nothing changes. Smaller
// requests go on.
func TestSpoolOnAFullDisk(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p := startConfined(t, confinement{Largest: 24 << 20}, t.TempDir(), "", "--log-level", "critical")
	p.do(201, "PUT", "/db", "")
	docs := make([]string, 500)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"_id":"d%d","v":%q}`, i, strings.Repeat("x", 100_000))
	}
	answer := p.do(507, "POST", "/db/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`)
	if !strings.Contains(answer, "insufficient_storage") {
		t.Error(answer)
	}
	if info := p.do(200, "GET", "/db", ""); !strings.Contains(info, `"doc_count":0`) {
		t.Error(info)
	}
	p.do(201, "PUT", "/db/small", `{}`)
	p.do(200, "GET", "/db/small", "")
	p.stop()
}
