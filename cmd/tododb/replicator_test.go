package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/store/widetest"
)

// pair is two servers that documents of _replicator keep the same. The second server runs both
// replications, over connections that a test can cut.
type pair struct {
	t       *testing.T
	dirs    [2]string
	servers [2]*process
	line    *line // between the second server and the first
	random  *rand.Rand
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, random: rand.New(rand.NewPCG(rand.Uint64(), 0))}
	for i := range p.servers {
		p.dirs[i] = t.TempDir()
		p.servers[i] = startServer(t, p.dirs[i], "", "--log-level", "error")
		p.servers[i].do(201, "PUT", "/db", "")
	}
	p.servers[1].do(200, "PUT", "/_node/_local/_config/replicator/startup_jitter", `"100"`)
	p.line = newLine(t, p.servers[0].address())
	here, there := withUser(p.servers[1].base)+"/db", withUser("http://"+p.line.address())+"/db"
	for id, ends := range map[string][2]string{"pull": {there, here}, "push": {here, there}} {
		p.servers[1].do(201, "PUT", "/_replicator/"+id, fmt.Sprintf(`{"source":%q,"target":%q,"continuous":true,"checkpoint_interval":200,"connection_timeout":5000}`, ends[0], ends[1]))
	}
	return p
}

// edit makes some random edits on both sides.
func (p *pair) edit(n int) {
	for range n {
		side, id := p.servers[p.random.IntN(2)], fmt.Sprintf("/db/d%d", p.random.IntN(100))
		var now struct {
			Rev string `json:"_rev"`
		}
		answer, err := http.DefaultClient.Do(side.request("GET", id, ""))
		if err != nil {
			p.t.Fatal(err)
		}
		if err := json.NewDecoder(answer.Body).Decode(&now); err != nil {
			p.t.Fatal(err)
		}
		answer.Body.Close()
		body := fmt.Sprintf(`{"n":%d`, p.random.IntN(1000))
		if now.Rev != "" {
			body += fmt.Sprintf(`,"_rev":%q,"_deleted":%t`, now.Rev, p.random.IntN(5) == 0)
		}
		if p.random.IntN(4) == 0 {
			body += `,"_attachments":{"a":{"content_type":"text/plain","data":"aGVsbG8="}}`
		}
		answer, err = http.DefaultClient.Do(side.request("PUT", id, body+"}"))
		if err != nil {
			p.t.Fatal(err)
		}
		answer.Body.Close() // 409 if the other side's edit has just arrived
	}
}

// fault does something bad.
func (p *pair) fault() {
	switch i := p.random.IntN(3); i {
	case 2:
		p.line.cut()
	default:
		address := p.servers[i].address()
		p.servers[i].kill()
		p.servers[i] = startServer(p.t, p.dirs[i], address, "--log-level", "error")
	}
}

// leaves are all leaves of all documents of a side.
func (p *pair) leaves(i int) map[string]string {
	var feed struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
		}
	}
	if err := json.Unmarshal([]byte(p.servers[i].do(200, "GET", "/db/_changes?style=all_docs", "")), &feed); err != nil {
		p.t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range feed.Results {
		all[r.ID] = fmt.Sprint(r.Changes)
	}
	return all
}

// converge waits until both sides hold the same.
func (p *pair) converge() {
	p.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		a, b := p.leaves(0), p.leaves(1)
		if fmt.Sprint(a) == fmt.Sprint(b) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the two sides hold %v and %v; the jobs are %s", a, b, p.servers[1].do(200, "GET", "/_scheduler/jobs", ""))
		}
	}
}

// check stops both servers and looks through their folders.
func (p *pair) check() {
	p.t.Helper()
	for i, s := range p.servers {
		s.stop()
		if out, code := tododb(p.t, "check", "--data", p.dirs[i]); code != 0 {
			p.t.Errorf("check: %s", out)
		}
	}
}

// Documents of _replicator keep two servers the same, though both servers are killed and the line
// between them is cut in the middle of their work.
func TestReplicatorUnderFaults(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	p := newPair(t)
	for range 4 {
		p.edit(30)
		p.fault()
	}
	p.edit(30)
	began := time.Now()
	p.converge()
	t.Logf("both hold the same after %v", time.Since(began))
	p.check()
}

// TestSoakReplication does the same for as long as TODODB_TEST_SOAK says, while `tododb
// replicate` copies from a third server and to it.
func TestSoakReplication(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("TODODB_TEST_SOAK"))
	if err != nil {
		t.Skip("TODODB_TEST_SOAK is not set; make soak sets it")
	}
	p := newPair(t)
	third := startServer(t, t.TempDir(), "", "--log-level", "error")
	third.do(201, "PUT", "/db", "")
	copyBoth := func() (out string, code int) {
		for _, ends := range [][2]string{{p.servers[0].base, third.base}, {third.base, p.servers[1].base}} {
			if out, code = tododb(t, "replicate", withUser(ends[0])+"/db", withUser(ends[1])+"/db"); code != 0 {
				break
			}
		}
		return out, code
	}
	rounds := 0
	for end := time.Now().Add(length); time.Now().Before(end); rounds++ {
		p.edit(100)
		var copying sync.WaitGroup
		if rounds%5 == 0 {
			copying.Go(func() { copyBoth() }) // it may fail with a server that is killed
		}
		if rounds%3 != 0 {
			copying.Wait()
		}
		p.fault()
		copying.Wait()
		if rounds%20 == 19 {
			p.converge()
			t.Logf("%d rounds, %d documents, %d MiB", rounds+1, len(p.leaves(0)), privateMemory(t, p.servers[1])>>20)
		}
	}
	p.converge()
	if out, code := copyBoth(); code != 0 {
		t.Errorf("replicate: %s", out)
	}
	p.converge()
	p.check()
	t.Logf("%d rounds", rounds)
}

// line passes connections on to a server.
type line struct {
	listener net.Listener
	to       string

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]bool
}

func newLine(t *testing.T, to string) *line {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, to: to, conns: map[net.Conn]bool{}}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			l.mu.Lock()
			l.conns[near], l.conns[far] = true, true
			l.mu.Unlock()
			for _, ends := range [][2]net.Conn{{near, far}, {far, near}} {
				work.Go(func() {
					_, _ = io.Copy(ends[0], ends[1]) // either end may go
					ends[0].Close()
					l.mu.Lock()
					delete(l.conns, ends[0])
					l.mu.Unlock()
				})
			}
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.cut()
		work.Wait()
	})
	return l
}

func (l *line) address() string { return l.listener.Addr().String() }

// cut ends all connections.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
}
