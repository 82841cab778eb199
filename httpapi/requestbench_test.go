package httpapi_test

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/storetest"
)

// BenchmarkRequest sends one request after another over one connection, as an application does
// that logs in with Basic. The store does not wait for the disk, and the client allocates next to
// nothing, so what is counted is the server's. Bare is package http that answers the same GET from
// memory; dressed does the same with headers as a database has to send. Other programs disturb cpu-ns least.
func BenchmarkRequest(b *testing.B) {
	const doc = `{"owner":"user0007","type":"todo","n":7,"score":0.25,"done":false,"city":"Oslo","tags":["a","b"],"created":"2024-01-02T03:04:05Z","text":"a8f0c2d4 17bb30e9 c0ffee00 5eed1234 9b1deb4d 3b7d4bad a8f0c2d4 17bb30e9 c0ffee00 5eed1234 9b1deb4d 3b7d4bad"}`
	s := httpapitest.Open(b, httpapi.Options{
		Store: storetest.On(b, storetest.Engine(b), store.Options{}),
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	s.Create(b, "_users") // as the program does
	s.Create(b, "db")
	c := dialBench(b, httpapi.Listener, s)
	const docs = 2000
	for i := range docs {
		c.do("PUT", "/db/"+benchID(i), doc, 201)
	}
	c.do("PUT", "/db/_local/mark", `{"seq":1}`, 201)

	bare := dialBench(b, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"application/json"}
		w.Write([]byte(doc))
	}))
	headers := http.Header{
		"Server": {"CouchDB/3.5.1"}, "X-Couch-Request-Id": {"0123456789"}, "X-Content-Type-Options": {"nosniff"},
		"X-Couchdb-Body-Time": {"0"}, "Cache-Control": {"must-revalidate"}, "Content-Type": {"application/json"},
		"Content-Length": {strconv.Itoa(len(doc))}, "Etag": {`"1-967a00dff5e02add41819138abb3284d"`},
	}
	dressed := dialBench(b, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), headers)
		w.WriteHeader(http.StatusOK)
		io.WriteString(w, doc)
	}))
	made := docs // a benchmark is called more than once
	next := func() int { made++; return made }
	var revs [docs]string // of what is updated, once it has been
	var sixteen, bareSixteen, dressedSixteen []*benchClient
	for range 16 {
		sixteen, bareSixteen, dressedSixteen = append(sixteen, c.another()), append(bareSixteen, bare.another()), append(dressedSixteen, dressed.another())
	}
	getTogether := func(clients []*benchClient) func() {
		return func() { together(clients, func(c *benchClient, i int) { c.do("GET", "/db/"+benchID(i), "", 200) }) }
	}
	for _, one := range []struct {
		name string
		ask  func()
	}{
		{"bare", func() { bare.do("GET", "/db/"+benchID(next()%docs), "", 200) }},
		{"get", func() { c.do("GET", "/db/"+benchID(next()%docs), "", 200) }},
		{"head", func() { c.do("HEAD", "/db/"+benchID(next()%docs), "", 200) }},
		{"get local", func() { c.do("GET", "/db/_local/mark", "", 200) }},
		{"changes", func() { c.do("GET", "/db/_changes?since=now", "", 200) }},
		{"16 bare", getTogether(bareSixteen)},
		{"16 dressed", getTogether(dressedSixteen)},
		{"16 get", getTogether(sixteen)},
		{"put", func() { c.do("PUT", "/db/"+benchID(next()), doc, 201) }},
		{"update", func() {
			n := next() % docs
			c.do("PUT", "/db/again-"+benchID(n), `{`+revs[n]+doc[1:], 201)
			_, rev, _ := bytes.Cut(c.body, []byte(`"rev":"`))
			rev, _, _ = bytes.Cut(rev, []byte(`"`))
			revs[n] = `"_rev":"` + string(rev) + `",`
		}},
		{"bulk of one", func() { c.do("POST", "/db/_bulk_docs", `{"docs":[{"_id":"`+benchID(next())+`",`+doc[1:]+`]}`, 201) }},
		{"put local", func() { c.do("PUT", "/db/_local/mine-"+strconv.Itoa(next()%10), `{"seq":1}`, 201) }},
	} {
		b.Run(one.name, func(b *testing.B) { // with 16 clients, 320 requests at a time
			b.ReportAllocs()
			began := processorTime()
			for b.Loop() {
				one.ask()
			}
			if took := processorTime() - began; took > 0 {
				b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "cpu-ns/op")
			}
		})
	}
}

// together has each client ask 20 times, all at once.
func together(clients []*benchClient, ask func(c *benchClient, i int)) {
	var wg sync.WaitGroup
	for n, c := range clients {
		wg.Go(func() {
			for i := range 20 {
				ask(c, 20*n+i)
			}
		})
	}
	wg.Wait()
}

// benchID is scattered, as uuids are.
func benchID(i int) string { return strconv.FormatUint(uint64(uint32(i)*2654435761)+1<<32, 16) }

// benchClient asks over one connection.
type benchClient struct {
	tb      testing.TB
	address string
	conn    net.Conn
	in      *bufio.Reader
	out     []byte
	body    []byte // of the last answer
}

// dialBench has handler serve a port until the benchmark ends. wrap may be nil.
func dialBench(b *testing.B, wrap func(net.Listener) net.Listener, handler http.Handler) *benchClient {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := l.Addr().String()
	if wrap != nil {
		l = wrap(l)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	b.Cleanup(func() { server.Close() })
	return (&benchClient{tb: b, address: address}).another()
}

// another is one more client of the same server.
func (c *benchClient) another() *benchClient {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Cleanup(func() { conn.Close() })
	return &benchClient{tb: c.tb, address: c.address, conn: conn, in: bufio.NewReader(conn)}
}

// do sends a request and reads its answer.
func (c *benchClient) do(method, path, body string, want int) {
	c.out = append(c.out[:0], method...)
	c.out = append(append(append(c.out, ' '), path...), " HTTP/1.1\r\nHost: 127.0.0.1:5984\r\nUser-Agent: bench/1\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\nAuthorization: Basic YWRtaW46c2VjcmV0\r\n"...)
	if body != "" {
		c.out = append(c.out, "Content-Type: application/json\r\nContent-Length: "...)
		c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n"...)
	}
	c.out = append(append(c.out, "\r\n"...), body...)
	if _, err := c.conn.Write(c.out); err != nil {
		c.tb.Fatal(err)
	}
	status := c.line()
	length, chunked := 0, false
	for head := c.line(); len(head) > 0; head = c.line() {
		if value, is := bytes.CutPrefix(head, []byte("Content-Length: ")); is {
			length = c.number(value, 10)
		}
		chunked = chunked || string(head) == "Transfer-Encoding: chunked"
	}
	c.body = c.body[:0]
	switch {
	case method == "HEAD":
	case chunked:
		for n := c.number(c.line(), 16); ; n = c.number(c.line(), 16) {
			c.read(n)
			c.line()
			if n == 0 {
				break
			}
		}
	default:
		c.read(length)
	}
	if got := c.number(status[9:12], 10); got != want {
		c.tb.Fatalf("%s %s: %d %s", method, path, got, c.body)
	}
}

func (c *benchClient) line() []byte {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		c.tb.Fatal(err)
	}
	return line[:len(line)-2]
}

func (c *benchClient) number(text []byte, base int) (n int) {
	for _, digit := range text {
		n = n*base + strings.IndexByte("0123456789abcdef", digit)
	}
	return n
}

func (c *benchClient) read(n int) {
	for range n {
		one, err := c.in.ReadByte()
		if err != nil {
			c.tb.Fatal(err)
		}
		c.body = append(c.body, one)
	}
}
