package main

import (
	"bufio"
	"bytes"
	crand "crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tododb/tododb/store/script/worker"
)

// programEnv names a program that is built already: make test has one.
const programEnv = "TODODB_TEST_PROGRAM"

// binary builds the program once for all tests of this package.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(programEnv); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "tododb-test-*")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "tododb")
	build := exec.Command("go", "build", "-ldflags=-w", "-o", path, ".") // without DWARF: linked sooner
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

var binaryDir string // "" while no test has asked for the program

func TestMain(m *testing.M) {
	if worker.Asked(os.Args) { // of a server in this process
		os.Exit(worker.Main())
	}
	if bare := os.Getenv("TODODB_TEST_BARE"); bare != "" {
		serveBare(bare)
	}
	if limits := os.Getenv(confineEnv); limits != "" {
		serveConfined(limits)
	}
	moreParallel()
	code := m.Run()
	closeChromium()
	os.RemoveAll(binaryDir)
	os.Exit(code)
}

// moreParallel has more tests run at once than there are processors: they wait for servers more
// than they work. Who gives -parallel has their way.
func moreParallel() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
}

const (
	testUser     = "admin"
	testPassword = "secret"
)

// process is a running server that a test started.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	base string // http://HOST:PORT
	log  *syncBuffer
	out  *syncBuffer   // what it printed
	done chan struct{} // closed when it has ended
}

// startServer starts the real program on a data folder and waits until it listens. An
// address of "" is any free port.
func startServer(t testing.TB, dir, listen string, more ...string) *process {
	t.Helper()
	return startServerWith(t, nil, dir, listen, more...)
}

// netnsEnv names the namespace of networks that a process is started in.
const netnsEnv = "TODODB_TEST_NETNS"

// startServerWith does so with more in its environment, applies the limits in confineEnv, and heeds netnsEnv.
func startServerWith(t testing.TB, environment []string, dir, listen string, more ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if listen == "" {
		listen = freeAddress(t)
	}
	if !slices.Contains(more, "--config") {
		more = append(slices.Clip(more), "--config", quickLogins(t))
	}
	p := &process{t: t, log: &syncBuffer{}, out: &syncBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(path, append([]string{"serve", "--data", dir, "--listen", listen}, more...)...)
	if slices.ContainsFunc(environment, func(e string) bool { return strings.HasPrefix(e, confineEnv+"=") }) {
		p.cmd = exec.Command(os.Args[0], p.cmd.Args...)
	}
	for _, e := range environment {
		if network, is := strings.CutPrefix(e, netnsEnv+"="); is {
			p.cmd = exec.Command("ip", append([]string{"netns", "exec", network}, p.cmd.Args...)...)
		}
	}
	p.cmd.Env = append(append(os.Environ(), "COUCHDB_USER="+testUser, "COUCHDB_PASSWORD="+testPassword), environment...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			fmt.Fprintln(p.out, lines.Text())
			if _, base, ok := strings.Cut(lines.Text(), "listening on "); ok {
				select {
				case listening <- strings.TrimSuffix(base, "/"):
				default: // the first is that of HTTP
				}
			}
		}
		p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	select {
	case p.base = <-listening:
	case <-p.done:
		t.Fatalf("the server ended: %v\n%s", p.cmd.ProcessState, p.log)
	case <-time.After(time.Minute):
		t.Fatalf("the server does not listen\n%s", p.log)
	}
	return p
}

// quickLogins is a settings file that makes passwords cheap to hash. With the default, most of
// the time of a test would go into starting its servers.
func quickLogins(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "quick.ini")
	if err := os.WriteFile(file, []byte("[chttpd_auth]\niterations = 10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// withJournal is the file of settings of a server whose small writes go through a journal, or do not.
func withJournal(t testing.TB, journal bool) string {
	t.Helper()
	file := quickLogins(t)
	settings, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, fmt.Appendf(settings, "[storage]\njournal = %v\n", journal), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// fixedPorts counts through the ports that the system does not hand out itself, from a random one on.
var fixedPorts = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(rand.Uint32N(10_000))
	return &n
}()

// freeAddress is an address that stays free while the server there is down, so that it can be
// started again at the same address. The system might give a port from port 0 to somebody else.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+fixedPorts.Add(1)%10_000)
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// address is the address for starting the next server at the same place.
func (p *process) address() string { return strings.TrimPrefix(p.base, "http://") }

// kill ends the process as a crash does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// stop ends the process as an operator does. It must end well, and soon.
func (p *process) stop() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.t.Fatalf("the server does not stop\n%s", p.log)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Fatalf("the server ended with %d\n%s", code, p.log)
	}
}

// request makes a request as the administrator.
func (p *process) request(method, path, body string) *http.Request {
	p.t.Helper()
	r, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.SetBasicAuth(testUser, testPassword)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// do makes a request, expects a status, and returns the answer.
func (p *process) do(status int, method, path, body string) string {
	p.t.Helper()
	answer, err := http.DefaultClient.Do(p.request(method, path, body))
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.log)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	if answer.StatusCode != status {
		p.t.Fatalf("%s %s: %s, want %d\n%s", method, path, answer.Status, status, text)
	}
	return string(text)
}

// tododb runs the real program to its end.
func tododb(t testing.TB, args ...string) (output string, code int) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// syncBuffer is a buffer that a process writes while a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// try makes a request, with headers in pairs, and returns the answer's status and body.
func (p *process) try(method, path, body string, headers ...string) (int, string) {
	p.t.Helper()
	asked := p.request(method, path, body)
	for i := 0; i < len(headers); i += 2 {
		asked.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(asked)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.log)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer.StatusCode, string(text)
}

// incompressible is text that takes most of its length on disk.
func incompressible(n int) string {
	b := make([]byte, n/2)
	crand.Read(b)
	return hex.EncodeToString(b)
}
