package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// TestFirstSync has new devices fill their PouchDBs over a slow line. TODODB_TEST_LINE=1 tries
// a phone far from a mast: 30,000 documents of 1 kB, 300 ms, 1 Mbit/s. That takes a quarter of an
// hour.
func TestFirstSync(t *testing.T) {
	widetest.Only(t)
	dir := scriptFolder(t)
	documents, roundTrip, bits := 1000, 10*time.Millisecond, 20e6
	full := os.Getenv("TODODB_TEST_LINE") != ""
	if full {
		documents, roundTrip, bits = 30000, 300*time.Millisecond, 1e6
	} else {
		t.Parallel()
	}
	server := startServer(t, t.TempDir(), "")
	fillForDevices(t, server, documents)
	l := openSlowLine(t, server.address(), roundTrip, bits)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, "node", "firstsync.js", l.base(), testUser, testPassword, strconv.Itoa(documents+1))
	script.Dir = dir
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
	figures := map[string]filling{}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "begin":
			if words[1] == "cut" {
				l.cut(10, figures["stream"].bytes/11)
			}
			figures[words[1]] = filling{began: time.Now(), bytes: -l.down.Load()}
		case "end":
			f := figures[words[1]]
			f.bytes += l.down.Load()
			f.took = time.Since(f.began)
			f.requests, _ = strconv.Atoi(words[2])
			figures[words[1]] = f
			t.Logf("%-12s %8.1f s %6d requests %9d bytes", words[1], f.took.Seconds(), f.requests, f.bytes)
		default:
			t.Log(lines.Text())
			continue
		}
		fmt.Fprintln(stdin, "done")
	}
	if err := script.Wait(); err != nil {
		t.Fatalf("%v\n%s\nthe server's log:\n%s", err, &problems, server.log)
	}
	own, stream, cut := figures["replication"], figures["stream"], figures["cut"]
	if stream.requests > 20 || full && stream.requests*10 > own.requests {
		t.Errorf("%d requests, and %d of PouchDB's own", stream.requests, own.requests)
	}
	if full && stream.took*3 > own.took {
		t.Errorf("it takes %s, and PouchDB %s", stream.took, own.took)
	}
	if left := l.cutsLeft(); left > 0 {
		t.Errorf("%d cuts did not take place", left)
	}
	// A busy client may lose what it has not read yet. To begin anew would take several times as much.
	if cut.bytes > stream.bytes*120/100 {
		t.Errorf("with ten cuts %d bytes came, without %d", cut.bytes, stream.bytes)
	}
}

// filling is what it took to fill a device.
type filling struct {
	began    time.Time
	took     time.Duration
	requests int
	bytes    int64 // that the client got
}

// fillForDevices makes a database of documents of 1 kB, some in conflict and some deleted, and
// one with an attachment.
func fillForDevices(t *testing.T, server *process, documents int) {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 7))
	words := make([]string, 3000)
	for i := range words {
		b := make([]byte, 2+random.IntN(8))
		for j := range b {
			b[j] = "aaabcdeeeefghiiijklmnnooopqrssttuuvwxyz"[random.IntN(39)]
		}
		words[i] = string(b)
	}
	server.do(201, http.MethodPut, "/db", "")
	server.do(201, http.MethodPut, "/db/_design/by", `{"options":{"changes":true},"views":{"kind":{"map":"function (doc) { if (doc.kind) emit(doc.kind) }"}}}`)
	for from := 0; from < documents; from += 1000 {
		var b strings.Builder
		b.WriteString(`{"docs":[`)
		for i := from; i < min(from+1000, documents); i++ {
			if i > from {
				b.WriteByte(',')
			}
			kind := ""
			if i%100 == 1 {
				kind = `"kind":"odd",`
			}
			fmt.Fprintf(&b, `{"_id":"doc%06d",%s"done":%t,"changed":%d,"text":"`, i, kind, i%3 == 0, 1700000000000+random.Int64N(1e11))
			for at := b.Len() + 900; b.Len() < at; {
				b.WriteString(words[min(random.IntN(3000), random.IntN(3000))] + " ")
			}
			b.WriteString(`"}`)
		}
		b.WriteString("]}")
		server.do(201, http.MethodPost, "/db/_bulk_docs", b.String())
	}
	server.do(201, http.MethodPost, "/db/_bulk_docs", `{"new_edits":false,"docs":[
		{"_id":"doc000001","_rev":"2-00000000000000000000000000000001","_revisions":{"start":2,"ids":["00000000000000000000000000000001","00000000000000000000000000000003"]},"kind":"odd"},
		{"_id":"doc000002","_rev":"2-00000000000000000000000000000002","_deleted":true},
		{"_id":"gone","_rev":"1-00000000000000000000000000000002","_deleted":true},
		{"_id":"doc000003","_rev":"3-00000000000000000000000000000002","_attachments":{"a.txt":{"content_type":"text/plain","data":"aGVsbG8="}}}]}`)
}
