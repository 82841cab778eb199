package wire

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

var errStalled = Errorf(http.StatusRequestTimeout, "request_timeout", "No more of the request body has come for too long.")

// steadyBody is a request's body whose client may be slow but may not stall. Each read has a
// time limit. Between reads there is none, because then the server takes its time.
type steadyBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	stall time.Duration // 0: it may stall for ever
	took  time.Duration // what was read of it
	ended bool
}

func (b *steadyBody) Read(p []byte) (int, error) {
	began := time.Now()
	if b.stall == 0 {
		n, err := b.ReadCloser.Read(p)
		b.took += time.Since(began)
		return n, err
	}
	_ = b.conn.SetReadDeadline(began.Add(b.stall)) // it fails only if there is no real connection
	n, err := b.ReadCloser.Read(p)
	b.took += time.Since(began)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, errStalled // the deadline stays, so nobody waits for the rest
	}
	b.ended = b.ended || err != nil
	_ = b.conn.SetReadDeadline(time.Time{})
	return n, err
}

// leave limits how long package http waits for the unread rest of the body, which it does
// before it sends an answer.
func (b *steadyBody) leave() {
	if b != nil && b.stall > 0 && !b.ended {
		_ = b.conn.SetReadDeadline(time.Now().Add(b.stall))
	}
}

// noTime is how long it took to read nothing.
var noTime = []string{"0"}

// time is how many milliseconds it took the client to send what was read, as CouchDB tells it.
func (b *steadyBody) time() []string {
	if b == nil || b.took < time.Millisecond {
		return noTime
	}
	return []string{strconv.FormatInt(b.took.Milliseconds(), 10)}
}

// Watch limits how long the body of a request may stall, and measures how long it takes.
func (x *Exchange) Watch(r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		x.steady = steadyBody{ReadCloser: r.Body, conn: &x.conn, stall: x.shared.settings().BodyStall}
		x.body = &x.steady
		r.Body = x.body
	}
}

// unsent is how much of an answer may be in buffers of package http before any of it is
// sent. An answer shorter than that is sent after its handler has returned.
const unsent = 2048

// deadline limits how long the client may take no byte of the answer. It is set for each write
// and lifted after it, so a feed may wait for as long as it likes.
func (x *Exchange) deadline(more int) (lift func()) {
	if x.stall <= 0 || x.Size+int64(more) < unsent {
		return func() {}
	}
	_ = x.conn.SetWriteDeadline(time.Now().Add(x.stall))
	return func() { _ = x.conn.SetWriteDeadline(time.Time{}) }
}

// Finish limits how long the client may take for what is sent after the handler has returned.
func (x *Exchange) Finish() {
	if x.stall > 0 && x.Size > 0 {
		_ = x.conn.SetWriteDeadline(time.Now().Add(x.stall))
	}
}
