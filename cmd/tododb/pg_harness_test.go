package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tododb/tododb/store/engine/pg/pgtest"
)

// cluster is what processes share that a test has started: tables that were empty.
type cluster struct {
	t   testing.TB
	url string // of the storage

	network string // the namespace of networks in which its processes are; "" for that of the test
	listen  string // where they listen; "" for anywhere
}

// goneAfter is after how many milliseconds a process of a test counts as dead. A busy machine must not
// make a living one late.
const goneAfter = 4000

// startCluster starts processes over empty tables. more are arguments for all.
func startCluster(t testing.TB, n int, more ...string) (*cluster, []*process) {
	t.Helper()
	c := &cluster{t: t, url: pgtest.URL(t)}
	var all []*process
	for range n {
		all = append(all, c.start(more...))
	}
	return c, all
}

// start starts one more process, with a data folder of its own.
func (c *cluster) start(more ...string) *process {
	c.t.Helper()
	file := filepath.Join(c.t.TempDir(), "process.ini")
	settings := fmt.Sprintf("[storage]\ngone_after = %d\n[chttpd_auth]\niterations = 10\n[replicator]\nstartup_jitter = 0\n", goneAfter)
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		c.t.Fatal(err)
	}
	environment := []string{"TODODB_STORAGE=" + c.url}
	if c.network != "" {
		environment = append(environment, netnsEnv+"="+c.network)
	}
	return startServerWith(c.t, environment, c.t.TempDir(), c.listen, append([]string{"--config", file}, more...)...)
}

// as makes a request with headers, in pairs, and without the administrator's credentials.
func (p *process) as(method, path, body string, headers ...string) (int, string, http.Header) {
	p.t.Helper()
	r := p.request(method, path, body)
	r.Header.Del("Authorization")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.log)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

// cookie logs a user in, and returns the header that says so.
func (p *process) cookie(name, password string) string {
	p.t.Helper()
	status, text, header := p.as("POST", "/_session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password))
	if status != 200 {
		p.t.Fatalf("login of %s: %d %s", name, status, text)
	}
	value, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	return value
}
