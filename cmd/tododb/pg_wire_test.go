package main

import (
	"bufio"
	"bytes"
	bigendian "encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// pgWire stands between a process and PostgreSQL, and knows which statement passes. It can stop at one, once:
// then nothing more passes on that connection, in either direction, and both ends stay open, as if the
// network had gone.
type pgWire struct {
	target   string
	listener net.Listener
	works    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	trap   *pgTrap
	open   map[net.Conn]bool
	closed bool
}

// pgTrap is where to stop.
type pgTrap struct {
	statement string        // how it begins, in small letters
	after     string        // what this transaction has sent before it, or in it
	answer    bool          // it reaches the server; its answer does not come back
	cut       bool          // the connection ends there
	sprung    chan struct{} // closed when it has stopped; if it is the answer, the server has given it
}

// openWire opens a way to the server of a URL, and returns the URL of the way.
func openWire(t testing.TB, storage string) (*pgWire, string) {
	t.Helper()
	u, err := url.Parse(storage)
	if err != nil {
		t.Fatal(err)
	}
	w := &pgWire{target: u.Host, open: map[net.Conn]bool{}}
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = w.listener.Addr().String()
	w.works.Go(w.accept)
	t.Cleanup(w.close)
	return w, u.String()
}

func (w *pgWire) close() {
	w.listener.Close()
	w.mu.Lock()
	w.closed = true
	for c := range w.open {
		c.Close()
	}
	w.mu.Unlock()
	w.works.Wait()
}

// set sets a trap, and returns what is closed when it has sprung.
func (w *pgWire) set(trap pgTrap) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	trap.sprung = make(chan struct{})
	w.trap = &trap
	return trap.sprung
}

// springs tells whether a message springs the trap, which then is no more.
func (l *pgLine) springs(sql string, raw []byte) *pgTrap {
	w := l.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	trap := w.trap
	if trap == nil {
		return nil
	}
	sql = strings.ToLower(sql)
	if strings.HasPrefix(sql, "begin") {
		l.sent = false // what was asked for before, outside of it, does not count
	}
	// Nor does what it reads: others may write in the same transaction.
	reads := strings.HasPrefix(sql, "select") && !strings.HasPrefix(trap.statement, "select")
	l.sent = l.sent || !reads && bytes.Contains(raw, []byte(trap.after))
	if l.sent && strings.HasPrefix(sql, trap.statement) {
		w.trap = nil
		return trap
	}
	if strings.HasPrefix(sql, "commit") || strings.HasPrefix(sql, "rollback") {
		l.sent = false
	}
	return nil
}

// keep notes a connection, and reports whether there are to be any.
func (w *pgWire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		c.Close()
		return false
	}
	w.open[c] = true
	return true
}

func (w *pgWire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.target)
		if err != nil {
			client.Close()
			continue
		}
		if !w.keep(client) || !w.keep(server) {
			client.Close()
			server.Close()
			return
		}
		line := &pgLine{wire: w, client: client, server: server, prepared: map[string]string{}, answered: make(chan struct{})}
		w.works.Go(line.forth)
		w.works.Go(line.back)
	}
}

// pgLine is a connection and its continuation.
type pgLine struct {
	wire           *pgWire
	client, server net.Conn
	prepared       map[string]string // statements by their names
	sent           bool              // what is to be sent before
	answered       chan struct{}     // the server has answered what sprang a trap, or has gone

	mu    sync.Mutex // guards what follows
	mute  bool       // nothing comes back
	quiet bool       // nothing passes at all
}

func (l *pgLine) end() {
	l.mu.Lock()
	quiet := l.quiet
	l.mu.Unlock()
	if !quiet { // else the other end hears nothing of it
		l.client.Close()
		l.server.Close()
	}
}

// forth carries what the client says. What it sends together, up to the Sync that ends it, passes together
// or not at all.
func (l *pgLine) forth() {
	defer l.end()
	from := bufio.NewReaderSize(l.client, 64<<10)
	var together []byte
	var trap *pgTrap
	for first := true; ; first = false {
		kind, body, raw, err := readMessage(from, first)
		if err != nil {
			return
		}
		together = append(together, raw...)
		if trap == nil {
			trap = l.springs(l.statement(kind, body), raw)
		}
		if strings.IndexByte("PBDEC", kind) >= 0 && !first {
			continue
		}
		if trap != nil {
			l.stop(trap, together)
			if !trap.cut {
				_, _ = io.Copy(io.Discard, from) // until the process ends the connection
			}
			return
		}
		if _, err := l.server.Write(together); err != nil {
			return
		}
		together = together[:0]
	}
}

// stop does what a trap says.
func (l *pgLine) stop(trap *pgTrap, together []byte) {
	l.mu.Lock()
	l.mute, l.quiet = true, !trap.cut
	l.mu.Unlock()
	defer close(trap.sprung)
	if !trap.answer {
		return
	}
	if _, err := l.server.Write(together); err == nil {
		<-l.answered // the commit has taken place
	}
}

// back carries what the server says.
func (l *pgLine) back() {
	defer l.end()
	answered := sync.OnceFunc(func() { close(l.answered) })
	defer answered()
	buf := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buf)
		l.mu.Lock()
		mute := l.mute
		l.mu.Unlock()
		if mute && n > 0 {
			answered()
		} else if _, err := l.client.Write(buf[:n]); err != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// readMessage reads a message of PostgreSQL's protocol, version 3. The first has no kind.
func readMessage(r *bufio.Reader, first bool) (kind byte, body, raw []byte, err error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, nil, err
	}
	size := int(bigendian.BigEndian.Uint32(head[len(head)-4:])) - 4
	if size < 0 || size > 1<<30 {
		return 0, nil, nil, fmt.Errorf("a message of %d bytes", size)
	}
	raw = append(head, make([]byte, size)...)
	if _, err := io.ReadFull(r, raw[len(head):]); err != nil {
		return 0, nil, nil, err
	}
	if !first {
		kind = raw[0]
	}
	return kind, raw[len(head):], raw, nil
}

// statement is the statement that a message has run, or "".
func (l *pgLine) statement(kind byte, body []byte) string {
	switch kind {
	case 'Q':
		return strings.TrimRight(string(body), "\x00")
	case 'P': // name, statement
		parts := strings.SplitN(string(body), "\x00", 3)
		if len(parts) == 3 {
			l.prepared[parts[0]] = parts[1]
		}
	case 'B': // portal, name
		parts := strings.SplitN(string(body), "\x00", 3)
		if len(parts) == 3 {
			return l.prepared[parts[1]]
		}
	}
	return ""
}
