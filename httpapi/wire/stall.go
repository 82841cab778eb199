package wire

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

var errStalled = Errorf(http.StatusRequestTimeout, "request_timeout", "No more of the request body has come for too long.")

// steadyBody is the body of a request whose client may be slow, but not stand still: each
// read has so long. Nothing is bounded between reads, when it is the server that takes
// its time.
type steadyBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	stall time.Duration
	ended bool
}

func (b *steadyBody) Read(p []byte) (int, error) {
	_ = b.conn.SetReadDeadline(time.Now().Add(b.stall)) // where there are no deadlines there is no slow client
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, errStalled // the deadline stays: nobody shall wait for the rest
	}
	b.ended = b.ended || err != nil
	_ = b.conn.SetReadDeadline(time.Time{})
	return n, err
}

// leave bounds how long package http waits for what nobody has read of the body; it does
// so before it sends an answer.
func (b *steadyBody) leave() {
	if b != nil && !b.ended {
		_ = b.conn.SetReadDeadline(time.Now().Add(b.stall))
	}
}

// Watch bounds how long the body of a request may stand still.
func (x *Exchange) Watch(r *http.Request) {
	if stall := x.shared.settings().BodyStall; stall > 0 && r.Body != nil && r.Body != http.NoBody {
		x.body = &steadyBody{ReadCloser: r.Body, conn: x.conn, stall: stall}
		r.Body = x.body
	}
}

// unsent is how much of an answer may be in buffers of package http before any of it is
// sent. An answer shorter than that is sent after its handler has returned.
const unsent = 2048

// deadline bounds how long the client may take no byte of the answer. It is set for each
// write and lifted after it, so that a feed may wait for as long as it likes.
func (x *Exchange) deadline(more int) (lift func()) {
	if x.stall <= 0 || x.Size+int64(more) < unsent {
		return func() {}
	}
	_ = x.conn.SetWriteDeadline(time.Now().Add(x.stall))
	return func() { _ = x.conn.SetWriteDeadline(time.Time{}) }
}

// Finish bounds how long the client may take for what is sent after the handler.
func (x *Exchange) Finish() {
	if x.stall > 0 && x.Size > 0 {
		_ = x.conn.SetWriteDeadline(time.Now().Add(x.stall))
	}
}
