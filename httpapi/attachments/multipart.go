package attachments

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"io"
)

// untilClosed reads a multipart message up to the end of its closing boundary. Whatever follows
// directly after that, package multipart would take for a part's bytes.
type untilClosed struct {
	in      io.Reader
	closing []byte // the line feed before it, and the closing boundary
	tail    []byte // the last bytes that were given out, which may begin it
	ended   bool
}

func NewUntilClosed(in io.Reader, boundary string) *untilClosed {
	// A message may begin with its closing boundary.
	return &untilClosed{in: in, closing: []byte("\n--" + boundary + "--"), tail: []byte{'\n'}}
}

func (u *untilClosed) Read(p []byte) (int, error) {
	if u.ended {
		return 0, io.EOF
	}
	n, err := u.in.Read(p)
	edge := min(n, len(u.closing))
	u.tail = append(u.tail, p[:edge]...) // where it may stand across two reads
	old := len(u.tail) - edge
	if at := bytes.Index(u.tail, u.closing); at >= 0 {
		u.ended = true
		return at + len(u.closing) - old, nil
	}
	if at := bytes.Index(p[:n], u.closing); at >= 0 {
		u.ended = true
		return at + len(u.closing), nil
	}
	if edge < n {
		u.tail = append(u.tail[:0], p[n-min(n, len(u.closing)-1):n]...)
	} else if more := len(u.tail) - len(u.closing) + 1; more > 0 {
		u.tail = append(u.tail[:0], u.tail[more:]...)
	}
	return n, err
}

// NewBoundary makes a boundary that no part of a message contains.
func NewBoundary() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}
