package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tododb/tododb/store/widetest"
)

// TestHostileHTTP2 tries what HTTP/2 makes possible: much work for few bytes on one connection.
// The neighbour uses plain HTTP. It would get too little of the processors if there were other tests beside this one, so that
// it waited for them and not for the attackers.
func TestHostileHTTP2(t *testing.T) {
	widetest.Only(t)
	files := newPemFiles(t)
	cert, key := pemPair(t, "server")
	files.write(files.cert, cert)
	files.write(files.key, key)
	secure := freeAddress(t)
	_, port, _ := net.SplitHostPort(secure)
	s := besiege(t, confinement{Memory: 320 << 20}, "[ssl]\nenable = true\nport = "+port+"\ncert_file = "+files.cert+"\nkey_file = "+files.key+"\n[limits]\nbody_stall = 3\nanswer_stall = 3\nheader_timeout = 3\n")
	s.secure = secure
	for range 20 { // something to be slow to take
		s.ask(boss, "POST", "/open/_bulk_docs", list(`{"docs":[`, `{"a":"`+strings.Repeat("a", 1000)+`"}`, `]}`, 1000))
	}
	s.run(http2Bombs)
}

const (
	ended   = "ended .*"   // the server has closed the connection
	refuses = "refused .*" // or a stream
	goesOn  = "went on"    // the server accepts it, and lives
)

var http2Bombs = []attack{
	{name: "rapid reset", want: ended + "|" + goesOn, do: together(4, overHTTP2(func(c *http2Conn) error {
		id := c.get("/open/_all_docs")
		return c.WriteRSTStream(id, http2.ErrCodeCancel)
	}))},
	{name: "rapid reset of writes", want: ended + "|" + goesOn, long: true, do: together(4, overHTTP2(func(c *http2Conn) error {
		id := c.ask("POST", "/open/_bulk_docs", false)
		if err := c.WriteData(id, false, []byte(`{"docs":[{},{},`)); err != nil {
			return err
		}
		return c.WriteRSTStream(id, http2.ErrCodeCancel)
	}))},
	{name: "streams that the server has to reset", want: ended + "|" + refuses + "|" + goesOn, long: true, do: together(4, overHTTP2(func(c *http2Conn) error {
		return c.WriteWindowUpdate(c.get("/open/_all_docs"), 1<<31-1) // more than a window may be
	}))},
	{name: "CONTINUATION without end", want: ended, do: together(4, overHTTP2(func(c *http2Conn) error {
		if c.next == 1 {
			c.block("GET", "/open")
			c.next += 2
			return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head.Bytes()})
		}
		c.head.Reset()
		c.field(fmt.Sprintf("x-%d", c.sent), strings.Repeat("a", 10_000))
		return c.WriteContinuation(1, false, c.head.Bytes())
	}))},
	{name: "CONTINUATION of nothing", want: ended + "|" + goesOn, long: true, do: together(4, overHTTP2(func(c *http2Conn) error {
		if c.next == 1 {
			c.block("GET", "/open")
			c.next += 2
			return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head.Bytes()})
		}
		return c.WriteContinuation(1, false, nil)
	}))},
	{name: "headers that unpack to a thousand times as much", want: ended + "|" + refuses + "|" + goesOn, do: together(4, overHTTP2(func(c *http2Conn) error {
		c.block("GET", "/open")
		for range 12_000 { // of one byte each, but for the first
			c.field("x-bomb", strings.Repeat("a", 3_900))
		}
		return c.headers(true)
	}))},
	{name: "headers as large as may be, of requests that wait", want: ended + "|" + refuses + "|" + goesOn, long: true, do: together(4, overHTTP2(func(c *http2Conn) error {
		c.block("POST", "/open/_bulk_docs")
		for i := range 60 {
			c.secret(fmt.Sprintf("x-%d", i), strings.Repeat(string(rune('a'+i%26)), 15_000))
		}
		return c.headers(false)
	}))},
	{name: "streams without end", want: ended + "|" + refuses + "|" + goesOn, do: together(4, overHTTP2(func(c *http2Conn) error {
		c.ask("POST", "/open/_bulk_docs", false)
		return c.failed
	}))},
	{name: "answers that nobody takes", want: ended + "|" + refuses + "|" + goesOn, do: together(4, overHTTP2(func(c *http2Conn) error {
		c.get("/open/_all_docs?include_docs=true") // the window never opens again
		return c.failed
	}))},
	{name: "answers that are taken byte by byte", want: ended + "|" + refuses + "|" + goesOn, long: true, do: together(4, overHTTP2(func(c *http2Conn) error {
		if c.next < 200 {
			c.get("/open/_all_docs?include_docs=true")
			return c.failed
		}
		time.Sleep(time.Millisecond)
		return errors.Join(c.WriteWindowUpdate(0, 1), c.WriteWindowUpdate(uint32(2*(c.sent%100)+1), 1))
	}))},
	{name: "settings without end", want: ended + "|" + goesOn, long: true, do: together(4, overHTTP2(func(c *http2Conn) error {
		return c.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: uint32(c.sent % 4096)})
	}))},
	{name: "pings without end", want: ended + "|" + goesOn, do: together(4, overHTTP2(func(c *http2Conn) error { return c.WritePing(false, [8]byte{}) }))},
	{name: "pings whose answers nobody takes", want: ended + "|" + goesOn, long: true, do: together(4, overHTTP2Deaf(func(c *http2Conn) error { return c.WritePing(false, [8]byte{}) }))},
	{name: "empty DATA without end", want: ended + "|" + refuses + "|" + goesOn, long: true, do: together(4, overHTTP2(func(c *http2Conn) error {
		if c.next == 1 {
			c.ask("POST", "/open/_bulk_docs", false)
			return c.failed
		}
		return c.WriteData(1, false, nil)
	}))},
	{name: "priorities without end", want: ended + "|" + goesOn, long: true, do: together(4, overHTTP2(func(c *http2Conn) error {
		return c.WritePriority(uint32(2*c.sent+1)&0x7fffffff, http2.PriorityParam{StreamDep: uint32(2*c.sent+3) & 0x7fffffff, Weight: 200})
	}))},
	{name: "no preface", want: ended, long: true, do: together(50, func(s *siege) string {
		conn, err := s.dialHTTP2()
		if err != nil {
			return "ended before it began"
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			return goesOn
		}
		return "ended by itself"
	})},
}

// http2Conn is a connection of an attacker, who may send any frames.
type http2Conn struct {
	*http2.Framer
	conn   net.Conn
	packed *hpack.Encoder
	head   bytes.Buffer // what packed writes
	next   uint32       // stream
	sent   int          // steps
	failed error
}

func (s *siege) dialHTTP2() (*tls.Conn, error) {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}}
	conn, err := dialer.Dial("tcp", s.secure)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// http2Patience is how long one connection attacks.
func http2Patience() time.Duration {
	if allAttacks() {
		return 4 * time.Second
	}
	return time.Second
}

// attackHTTP2 repeats a step of an attack on one connection, and says how that ends: "ended" if
// the server closes it, "refused" if it resets streams, or "went on".
func attackHTTP2(deaf bool, step func(*http2Conn) error) func(*siege) string {
	return func(s *siege) string {
		patience := http2Patience()
		conn, err := s.dialHTTP2()
		if err != nil {
			return "ended before it began"
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience + 10*time.Second))
		c := &http2Conn{Framer: http2.NewFramer(conn, conn), conn: conn, next: 1}
		c.packed = hpack.NewEncoder(&c.head)
		if _, err = conn.Write([]byte(http2.ClientPreface)); err == nil {
			err = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 10})
		}
		heard := make(chan string, 1)
		go func() { heard <- c.listen(deaf) }()
		for began := time.Now(); time.Since(began) < patience && err == nil; c.sent++ {
			err = step(c)
		}
		if err == nil { // an answer may still be on its way
			conn.SetReadDeadline(time.Now().Add(patience / 2))
			if deaf {
				return goesOn
			}
		} else {
			conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		}
		told := <-heard
		if err != nil && !strings.HasPrefix(told, "ended") {
			return "ended by the end of the connection"
		}
		return told
	}
}

func overHTTP2(step func(*http2Conn) error) func(*siege) string     { return attackHTTP2(false, step) }
func overHTTP2Deaf(step func(*http2Conn) error) func(*siege) string { return attackHTTP2(true, step) }

// listen reads what the server sends until the connection ends.
func (c *http2Conn) listen(deaf bool) string {
	if deaf {
		return goesOn
	}
	resets := map[http2.ErrCode]bool{}
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
				return "ended by the end of the connection"
			}
			break
		}
		switch f := frame.(type) {
		case *http2.GoAwayFrame:
			return "ended " + f.ErrCode.String()
		case *http2.RSTStreamFrame:
			resets[f.ErrCode] = true
		}
	}
	var all []string
	for code := range resets {
		all = append(all, code.String())
	}
	if slices.Sort(all); len(all) > 0 {
		return "refused " + strings.Join(all, ", ")
	}
	return goesOn
}

// block begins the block of headers of a request.
func (c *http2Conn) block(method, path string) {
	c.head.Reset()
	for _, f := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "x"}, {":path", path}, {"content-type", "application/json"}} {
		c.field(f[0], f[1])
	}
}

func (c *http2Conn) field(name, value string) {
	if err := c.packed.WriteField(hpack.HeaderField{Name: name, Value: value}); err != nil {
		panic(err) // into memory
	}
}

// secret is field for values that must not be compressed.
func (c *http2Conn) secret(name, value string) {
	if err := c.packed.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: true}); err != nil {
		panic(err)
	}
}

// headers sends the block, in as many frames as it needs, as the next stream.
func (c *http2Conn) headers(end bool) error {
	const most = 16 << 10
	id, block := c.next, c.head.Bytes()
	c.next += 2
	n := min(most, len(block))
	err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:n], EndStream: end, EndHeaders: n == len(block)})
	for block = block[n:]; len(block) > 0 && err == nil; block = block[n:] {
		n = min(most, len(block))
		err = c.WriteContinuation(id, n == len(block), block[:n])
	}
	return err
}

// ask begins a request and gives its stream.
func (c *http2Conn) ask(method, path string, end bool) uint32 {
	id := c.next
	c.block(method, path)
	c.failed = c.headers(end)
	return id
}

func (c *http2Conn) get(path string) uint32 { return c.ask("GET", path, true) }
