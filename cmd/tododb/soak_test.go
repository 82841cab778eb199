package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSoak keeps a server busy for as long as TODODB_TEST_SOAK says, with writers, readers of
// everything, feeds that come and go and compactions. Its memory must not grow over time, and
// every acknowledged write must be there at the end.
func TestSoak(t *testing.T) {
	text := os.Getenv("TODODB_TEST_SOAK")
	if text == "" {
		t.Skip("TODODB_TEST_SOAK is not set; make soak sets it")
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TODODB_TEST_SOAK: %v", err)
	}
	dir := t.TempDir()
	server := startServer(t, dir, "", "--log-level", "warning")
	server.do(201, "PUT", "/kill", "")

	var work sync.WaitGroup
	var writers []*writer
	for i := range 8 {
		w := newWriter(i, rand.New(rand.NewPCG(1, uint64(i))))
		writers = append(writers, w)
		work.Go(func() { w.work(server) })
	}
	work.Go(func() { compactUntilDead(server) })
	for range 4 {
		work.Go(func() { readUntilDead(server) })
	}
	for range 16 {
		work.Go(func() { followUntilDead(server) })
	}

	time.Sleep(length / 4)
	warm := privateMemory(t, server)
	for end := time.Now().Add(length * 3 / 4); time.Now().Before(end); {
		time.Sleep(min(time.Until(end), time.Minute))
		now := privateMemory(t, server)
		t.Logf("%d MiB of private memory", now>>20)
		if now > 2*warm+64<<20 {
			t.Errorf("private memory has grown from %d to %d MiB", warm>>20, now>>20)
			break
		}
	}
	server.kill()
	work.Wait()
	if out, code := tododb(t, "check", "--data", dir); code != 0 {
		t.Fatalf("check: exit %d\n%s", code, out)
	}
	server = startServer(t, dir, server.address())
	verify(t, 1, server, writers)
	server.stop()
}

func readUntilDead(server *process) {
	for {
		for _, path := range []string{"/kill/_all_docs?include_docs=true", "/kill/_changes?style=all_docs", "/kill/_all_docs?limit=10&conflicts=true&include_docs=true"} {
			answer, err := http.DefaultClient.Do(server.request("GET", path, ""))
			if err != nil {
				return
			}
			drain(answer)
		}
	}
}

// followUntilDead listens to the feed, a thousand rows at a time.
func followUntilDead(server *process) {
	for {
		answer, err := http.DefaultClient.Do(server.request("GET", "/kill/_changes?feed=continuous&since=now&include_docs=true&limit=1000", ""))
		if err != nil {
			return
		}
		drain(answer)
	}
}

func drain(answer *http.Response) {
	defer answer.Body.Close()
	for lines := bufio.NewReaderSize(answer.Body, 64<<10); ; {
		if _, err := lines.Discard(64 << 10); err != nil {
			return
		}
	}
}

// privateMemory is the server's memory without the pages of its files.
func privateMemory(t *testing.T, server *process) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.cmd.Process.Pid))
	if err != nil {
		t.Skipf("no figures of memory here: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Skip("the kernel does not tell RssAnon")
	return 0
}
