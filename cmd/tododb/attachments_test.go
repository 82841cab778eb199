package main

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// noise is a number of bytes that do not compress and are held nowhere.
type noise struct {
	left   int64
	random *rand.ChaCha8
}

func newNoise(size int64) *noise { return &noise{size, rand.NewChaCha8([32]byte{1})} }

func (n *noise) Read(p []byte) (int, error) {
	if n.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), n.left)]
	n.left -= int64(len(p))
	return n.random.Read(p)
}

// An attachment goes up, down and to another server as a stream: the servers' private
// memory stays small whatever its size. TODODB_TEST_ATTACHMENT is the size in MiB (64).
func TestAttachmentsAreStreams(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	const limit = 100 << 20
	mib := 64
	if s := os.Getenv("TODODB_TEST_ATTACHMENT"); s != "" {
		var err error
		if mib, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	size := int64(mib) << 20
	// From half of what is allowed garbage is collected eagerly, so what counts is what is held.
	eager := []string{fmt.Sprint("GOMEMLIMIT=", limit/2)}
	a, b := startServerWith(t, eager, t.TempDir(), ""), startServerWith(t, eager, t.TempDir(), "")
	a.do(201, "PUT", "/db", "")
	b.do(201, "PUT", "/copy", "")
	peak := watchMemory(t, a, b)

	want := md5.New()
	began := time.Now()
	r := a.request("PUT", "/db/doc/noise", "")
	r.Body, r.ContentLength = io.NopCloser(io.TeeReader(newNoise(size), want)), size
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	if answer.StatusCode != 201 {
		t.Fatal(answer.Status)
	}
	up := time.Since(began)

	began = time.Now()
	if n, sum := download(t, a, "/db/doc/noise", ""); n != size || fmt.Sprintf("%x", sum.Sum(nil)) != fmt.Sprintf("%x", want.Sum(nil)) {
		t.Errorf("%d bytes of another sum come back", n)
	}
	down := time.Since(began)
	if n, _ := download(t, a, "/db/doc/noise", fmt.Sprintf("bytes=%d-", size-1000)); n != 1000 {
		t.Errorf("the last 1000 bytes are %d", n)
	}

	began = time.Now()
	source, err := json.Marshal(map[string]string{"source": withUser(a.base) + "/db", "target": withUser(b.base) + "/copy"})
	if err != nil {
		t.Fatal(err)
	}
	if result := b.do(200, "POST", "/_replicate", string(source)); !strings.Contains(result, `"docs_written":1`) {
		t.Errorf("replication: %s", result)
	}
	carried := time.Since(began)
	if n, sum := download(t, b, "/copy/doc/noise", ""); n != size || fmt.Sprintf("%x", sum.Sum(nil)) != fmt.Sprintf("%x", want.Sum(nil)) {
		t.Errorf("%d bytes of another sum have arrived", n)
	}
	highest := peak()
	rate := func(d time.Duration) float64 { return float64(mib) / d.Seconds() }
	t.Logf("%d MiB: up %.0f MiB/s, down %.0f MiB/s, replicated %.0f MiB/s, private memory at most %d MiB", mib, rate(up), rate(down), rate(carried), highest>>20)
	if highest > limit {
		t.Errorf("private memory reached %d MiB", highest>>20)
	}
}

func download(t *testing.T, p *process, path, byteRange string) (int64, hash.Hash) {
	t.Helper()
	r := p.request("GET", path, "")
	if byteRange != "" {
		r.Header.Set("Range", byteRange)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	sum := md5.New()
	n, err := io.Copy(sum, answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return n, sum
}

// watchMemory looks at the servers' private memory until peak is called.
func watchMemory(t *testing.T, servers ...*process) (peak func() int64) {
	highest := int64(0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for _, s := range servers {
				highest = max(highest, privateMemory(t, s))
			}
		}
	})
	return func() int64 {
		close(stop)
		wg.Wait()
		return highest
	}
}
