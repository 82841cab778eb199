package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// Many clients read documents of 7 MB at once, in every way, some of them slowly. With 256 MB each
// gets everything that it asked for, and clients that read little do not wait for them.
func TestLargeReadsShareMemory(t *testing.T) {
	widetest.Only(t)
	besideOthers(t)
	p := startConfined(t, confinement{Memory: 256 << 20}, t.TempDir(), "", "--log-level", "warning")
	p.do(201, "PUT", "/db", "")
	const size = 7_000_000
	value := strings.Repeat("0123456789abcdef", size/16)
	for i := range 3 {
		p.do(201, "PUT", fmt.Sprintf("/db/doc%d", i), fmt.Sprintf(`{"n":%d,"v":%q}`, i, value))
	}
	for i := range 4 { // beside the first
		p.do(201, "POST", "/db/_bulk_docs", fmt.Sprintf(`{"new_edits":false,"docs":[{"_id":"doc0","_rev":"1-%d","v":%q}]}`, i, value))
	}
	keys := `{"keys":[` + strings.TrimSuffix(strings.Repeat(`"doc1",`, 20), ",") + `]}`
	ways := []struct {
		method, path, body string
		documents          int
	}{
		{"GET", "/db/doc1", "", 1},
		{"GET", "/db/_all_docs?include_docs=true", "", 3},
		{"POST", "/db/_all_docs?include_docs=true", keys, 20},
		{"GET", "/db/_changes?include_docs=true", "", 3},
		{"POST", "/db/_changes?include_docs=true&filter=_doc_ids", `{"doc_ids":["doc0","doc1","doc2"]}`, 3},
		{"GET", "/db/doc0?open_revs=all", "", 5},
		{"POST", "/db/_bulk_get", `{"docs":[{"id":"doc0"},{"id":"doc1"}]}`, 6},
		{"POST", "/db/_find", `{"selector":{"n":{"$gte":0}}}`, 3},
	}
	readers := 2
	if allAttacks() {
		readers = 6
	}
	w := newWatch(t, p.cmd.Process.Pid)
	w.during("reads")
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}, Timeout: 8 * time.Minute}
	var reading sync.WaitGroup
	for n := range readers {
		for _, way := range ways {
			reading.Go(func() {
				r := p.request(way.method, way.path, way.body)
				r.Header.Set("Accept", "application/json")
				answer, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer answer.Body.Close()
				if n == 0 { // slow to begin, while others come
					time.Sleep(2 * time.Second)
				}
				got, err := io.Copy(io.Discard, answer.Body)

				if want := int64(way.documents) * size; answer.StatusCode != 200 || err != nil || got < want || got > want+size {
					t.Errorf("%s %s: %s, %d bytes, want %d and a little, %v", way.method, way.path, answer.Status, got, want, err)
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { reading.Wait(); close(done) }()
	worst := time.Duration(0)
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(50 * time.Millisecond):
		}
		began := time.Now()
		p.do(200, "GET", "/db", "")
		worst = max(worst, time.Since(began))
	}
	w.stop()
	t.Logf("private memory at most %d MiB; who reads little waits at most %v", w.peak("reads")>>20, worst)
	if peak := w.peak("reads"); peak > 230<<20 {
		t.Errorf("%d MiB of private memory", peak>>20)
	}
	if worst > 20*time.Second {
		t.Errorf("who reads little waited %v", worst)
	}
	p.stop()
}
