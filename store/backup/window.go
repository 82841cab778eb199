package backup

import (
	"io"

	"github.com/cespare/xxhash/v2"
)

// window is the part of an input in which the present item is. What it passes is summed up, many items
// at once.
type window struct {
	r    io.Reader
	buf  []byte
	at   int // where the item begins
	item int // its bytes, as soon as they are known and in the buffer
	to   int // the end of what was read
	err  error

	sum    xxhash.Digest // of the stream, from its header on
	behind int           // where what is not yet summed up begins
}

// begin begins the sum with the present item.
func (w *window) begin() {
	w.sum.Reset()
	w.behind = w.at
}

// next goes on behind the item.
func (w *window) next() { w.at, w.item = w.at+w.item, 0 }

// summed is the sum of what is before the item.
func (w *window) summed() uint64 {
	w.pass()
	return w.sum.Sum64()
}

// pass sums up what is before the item.
func (w *window) pass() {
	w.sum.Write(w.buf[w.behind:w.at])
	w.behind = w.at
}

// have returns n bytes from the beginning of the item on, fewer if the input does not have them; the
// error says why. They are valid until the item is another one.
func (w *window) have(n int) ([]byte, error) {
	for tries := 0; w.to-w.at < n && w.err == nil; tries++ {
		if w.at > 0 {
			w.pass()
			w.to = copy(w.buf, w.buf[w.at:w.to])
			w.at, w.behind = 0, 0
		}
		var k int
		k, w.err = w.r.Read(w.buf[w.to:])
		w.to += k
		if k == 0 && w.err == nil && tries > 100 {
			w.err = io.ErrNoProgress
		}
	}
	if have := w.to - w.at; have < n {
		return w.buf[w.at:w.to], w.err
	}
	return w.buf[w.at : w.at+n], nil
}

// Read takes bytes out, for an item that is larger than the window. Who reads them sums them up.
func (w *window) Read(p []byte) (int, error) {
	w.pass()
	if w.at == w.to {
		if w.err != nil {
			return 0, w.err
		}
		return w.r.Read(p)
	}
	n := copy(p, w.buf[w.at:w.to])
	w.at += n
	w.behind = w.at
	return n, nil
}
