package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// halfTaken is what a client has of a snapshot.
type halfTaken struct {
	etag  string
	size  int64
	bytes []byte
}

// downloadUntilDead gets snapshots, one after another, and returns the last one as far as it came.
func downloadUntilDead(server *process) (d halfTaken) {
	for {
		request := server.request("GET", "/kill/_snapshot", "")
		request.Header.Set("Accept", "application/gzip")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return d
		}
		b, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK && len(b) > 0 {
			d = halfTaken{answer.Header.Get("Etag"), answer.ContentLength, b}
		}
		if err != nil {
			return d
		}
	}
}

// TestKillSnapshot kills the server while it builds and sends snapshots of a database that is
// being written. Afterwards a download continues with the same bytes, a new one has the whole
// database, and nothing is left of unfinished files.
func TestKillSnapshot(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	kills, seed := killCount(t, 4, 2)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	server := startServer(t, dir, "")
	server.do(201, "PUT", "/kill", "")
	resumed := 0
	for kill := 1; kill <= kills; kill++ {
		var work sync.WaitGroup
		rnd := rand.New(rand.NewPCG(seed, uint64(kill)))
		work.Go(func() { writeUntilDead(server, rnd) })
		had := make([]halfTaken, 2)
		for i := range had {
			work.Go(func() { had[i] = downloadUntilDead(server) })
		}
		time.Sleep(time.Duration(50+random.IntN(400)) * time.Millisecond)
		server.kill()
		work.Wait()
		server = startServer(t, dir, server.address())
		if left, err := filepath.Glob(filepath.Join(dir, "snapshots", "*")); err != nil || len(left)%2 != 0 {
			t.Fatalf("kill %d: %v, %v", kill, left, err)
		}
		for _, d := range had {
			if d.etag != "" && d.resume(t, server) {
				resumed++
			}
		}
		isTheDatabase(t, server)
	}
	t.Logf("%d downloads were resumed", resumed)
	if resumed == 0 {
		t.Error("no download could be resumed")
	}
	if _, err := os.Stat(filepath.Join(dir, "snapshots")); err != nil {
		t.Error(err)
	}
	server.stop()
}

// resume gets the rest of a download, if its bytes are still there.
func (d *halfTaken) resume(t *testing.T, server *process) bool {
	t.Helper()
	request := server.request("GET", "/kill/_snapshot", "")
	request.Header.Set("Accept", "application/gzip")
	request.Header.Set("If-Range", d.etag)
	from := len(d.bytes) / 2
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return false
	case http.StatusPartialContent:
	default:
		t.Fatalf("%d %s", answer.StatusCode, b)
	}
	if !bytes.HasPrefix(b, d.bytes[from:]) || int64(from+len(b)) != d.size {
		t.Fatalf("other bytes for %s", d.etag)
	}
	unpackLines(t, append(d.bytes[:from:from], b...))
	return true
}

// unpackLines are the lines of a compressed snapshot.
func unpackLines(t *testing.T, b []byte) (lines []string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// isTheDatabase compares a snapshot with the database. All revisions of a document have the same
// generation, so each of them is a leaf.
func isTheDatabase(t *testing.T, server *process) {
	t.Helper()
	request := server.request("GET", "/kill/_snapshot", "")
	request.Header.Set("Accept", "application/gzip")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := unpackLines(t, b)
	has := map[string][]string{}
	for _, line := range lines {
		var doc struct {
			ID  string `json:"_id"`
			Rev string `json:"_rev"`
		}
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		has[doc.ID] = append(has[doc.ID], doc.Rev)
	}
	var feed struct {
		Results []struct {
			ID      string
			Deleted bool
			Changes []struct{ Rev string }
		}
		Last string `json:"last_seq"`
	}
	if err := json.Unmarshal([]byte(server.do(200, "GET", "/kill/_changes?style=all_docs", "")), &feed); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`{"last_seq":%q}`, feed.Last); lines[len(lines)-1] != want {
		t.Errorf("the last line is %s, want %s", lines[len(lines)-1], want)
	}
	for _, row := range feed.Results {
		if row.Deleted {
			continue
		}
		var want []string
		for _, c := range row.Changes {
			want = append(want, c.Rev)
		}
		got := has[row.ID]
		slices.Sort(want)
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Fatalf("%s has %v in the snapshot, and %v in the database", row.ID, got, want)
		}
	}
}
