package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// neighbour is a client that works in a database of its own while others attack, and
// notes how long it waits for each answer.
type neighbour struct {
	base   string
	client *http.Client
	stop   func()

	mu       sync.Mutex
	attack   string
	waits    map[string][]wait // by what was asked
	before   map[string]time.Duration
	failures []string
}

type wait struct {
	took   time.Duration
	attack string
}

// The longest waits of a neighbour on a machine that has nothing else to do. On a slower or busier
// one everybody waits. The test measures that with something unrelated to the server: some
// computing, and a block written to disk.
const (
	usualWait = 250 * time.Millisecond // the 99th of 100 requests
	worstWait = 5 * time.Second
	machine   = "machine" // among the waits
)

func newNeighbour(t *testing.T, base string) *neighbour {
	n := &neighbour{base: base, client: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}, waits: map[string][]wait{}}
	done := make(chan struct{})
	var work sync.WaitGroup
	loop := func(pause time.Duration, step func(i int)) {
		work.Go(func() {
			for i := 0; ; i++ {
				step(i)
				select {
				case <-done:
					return
				case <-time.After(pause):
				}
			}
		})
	}
	pace := time.Duration(1)
	if !allAttacks() { // a sample is beside other tests, which it leaves the machine to
		pace = 6
	}
	loop(pace*15*time.Millisecond, func(i int) {
		path := fmt.Sprintf("/neighbour/doc%d", i)
		n.ask("PUT", 201, "PUT", path, `{"n":1}`)
		n.ask("GET", 200, "GET", path, "")
		n.ask("_changes", 200, "GET", "/neighbour/_changes?descending=true&limit=5", "")
	})
	loop(300*time.Millisecond, func(int) {
		n.ask("login", 200, "POST", "/_session", fmt.Sprintf(`{"name":%q,"password":%q}`, nina.name, nina.password))
	})
	file, err := os.Create(filepath.Join(t.TempDir(), "block"))
	if err != nil {
		t.Fatal(err)
	}
	computed := uint64(1)
	loop(pace*50*time.Millisecond, func(int) {
		began := time.Now()
		for range 5_000_000 { // some milliseconds: who needs less gets a busy processor sooner than a server does
			computed = computed*6364136223846793005 + 1442695040888963407
		}
		_, err := file.WriteAt(fmt.Appendf(nil, "%4096d", computed), 0)
		if err = errors.Join(err, file.Sync()); err != nil {
			panic(err)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.waits[machine] = append(n.waits[machine], wait{time.Since(began), n.attack})
	})
	n.stop = sync.OnceFunc(func() { close(done); work.Wait(); file.Close() })
	t.Cleanup(n.stop)
	return n
}

// ask makes a request and notes the wait.
func (n *neighbour) ask(what string, status int, method, path, body string) {
	r, err := http.NewRequest(method, n.base+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if path != "/_session" {
		r.SetBasicAuth(nina.name, nina.password)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	n.mu.Lock()
	during := n.attack
	n.mu.Unlock()
	began := time.Now()
	answer, err := n.client.Do(r)
	failure := ""
	if err != nil {
		failure = err.Error()
	} else {
		var text bytes.Buffer
		_, err = io.Copy(&text, answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != status {
			failure = fmt.Sprintf("%s %.200s %v", answer.Status, &text, err)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waits[what] = append(n.waits[what], wait{time.Since(began), during})
	if failure != "" {
		n.failures = append(n.failures, fmt.Sprintf("during %s: %s %s: %s", during, method, path, failure))
	}
}

func (n *neighbour) during(attack string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attack = attack
}

// quiet lets the neighbour work alone for a while, to learn what this machine is like.
func (n *neighbour) quiet(d time.Duration) {
	time.Sleep(d)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before = map[string]time.Duration{}
	for what, waits := range n.waits {
		_, n.before[what], _ = spread(waits)
	}
	n.waits = map[string][]wait{}
}

// judge fails a test if the neighbour had to wait, or was refused, during it.
func (n *neighbour) judge(t *testing.T) {
	t.Helper()
	n.stop()
	for i, f := range n.failures {
		if i == 10 {
			t.Errorf("and %d more", len(n.failures)-10)
			break
		}
		t.Error("the neighbour:", f)
	}
	_, late, latest := spread(n.waits[machine])
	for _, what := range slices.Sorted(maps.Keys(n.waits)) {
		half, most, worst := spread(n.waits[what])
		t.Logf("%-8s %5d times: half within %v, 99 of 100 within %v (%v when it was quiet), the longest %v (%s)", what, len(n.waits[what]),
			half.Round(time.Millisecond), most.Round(time.Millisecond), n.before[what].Round(time.Millisecond), worst.took.Round(time.Millisecond), worst.attack)
		if what == machine {
			continue
		}
		usual := usualWait
		if what == "login" { // a login computes a hash, and there are few
			usual *= 4
		}
		bound := usual + 4*n.before[what] + 8*late
		if !allAttacks() { // there are few samples, and other tests run beside this one
			bound *= 2
		}
		if most > bound {
			t.Errorf("the neighbour's %s: 99 of 100 within %v only, want %v", what, most, bound)
		}
		bound = worstWait + 8*latest.took
		if !allAttacks() {
			bound *= 2
		}
		if worst.took > bound {
			t.Errorf("the neighbour's %s took %v during %s, want less than %v", what, worst.took, worst.attack, bound)
		}
	}
}

// spread returns the median, the 99th percentile and the longest of some waits. Of fewer than a hundred the
// percentile would be the longest, which is judged by itself, so it is the one before.
func spread(waits []wait) (half, most time.Duration, worst wait) {
	if len(waits) == 0 {
		return 0, 0, wait{}
	}
	sorted := slices.SortedFunc(slices.Values(waits), func(a, b wait) int { return int(a.took - b.took) })
	last := len(sorted) - 1
	return sorted[len(sorted)/2].took, sorted[min((len(sorted)*99-1)/100, max(last-1, 0))].took, sorted[last]
}
