package repository

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"os"
)

// Buffers of a flow: one is filled while another one is written and a third waits.
const (
	flowBuffer  = 256 << 10
	flowBuffers = 3
)

// flow writes a file. Beyond the first buffer a goroutine of its own sums up and writes what comes,
// so that whoever writes to it reads on meanwhile. It ends with end.
type flow struct {
	file *os.File
	hash hash.Hash
	size int64 // written
	// written is told of bytes that are with the system now; nil: nobody wants to know
	written func(f *os.File, from, to int64)

	buf    []byte
	full   chan []byte   // nil: the goroutine has not begun
	free   chan []byte   // buffers that were written
	over   chan struct{} // the goroutine has ended
	failed chan struct{} // closed after err is set
	err    error
}

func newFlow(f *os.File) *flow {
	return &flow{file: f, hash: sha256.New(), failed: make(chan struct{}), buf: make([]byte, 0, flowBuffer)}
}

func (w *flow) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(w.buf) == cap(w.buf) {
			if err := w.pass(); err != nil {
				return n, err
			}
		}
		k := min(cap(w.buf)-len(w.buf), len(p))
		w.buf = append(w.buf, p[:k]...)
		n, p = n+k, p[k:]
	}
	return n, nil
}

// pass gives a full buffer to the goroutine, and takes an empty one.
func (w *flow) pass() error {
	if w.full == nil {
		w.full, w.free, w.over = make(chan []byte, 1), make(chan []byte, flowBuffers), make(chan struct{})
		for range flowBuffers - 1 {
			w.free <- make([]byte, 0, flowBuffer)
		}
		go w.run()
	}
	select {
	case <-w.failed:
		return w.err
	case w.full <- w.buf:
	}
	w.buf = <-w.free
	return nil
}

func (w *flow) run() {
	defer close(w.over)
	for b := range w.full {
		w.put(b)
		w.free <- b[:0]
	}
}

// put sums up and writes a buffer, unless an earlier one has failed.
func (w *flow) put(b []byte) {
	if w.err != nil {
		return
	}
	w.hash.Write(b)
	n, err := w.file.Write(b)
	from := w.size
	w.size += int64(n)
	if w.written != nil {
		w.written(w.file, from, w.size)
	}
	if err != nil {
		w.err = err
		close(w.failed)
	}
}

// end writes what is left, or not, and ends the goroutine. Then nothing is to be written any more.
func (w *flow) end(whole bool) error {
	if w.full != nil {
		close(w.full)
		<-w.over
		w.full = nil
	}
	if whole {
		w.put(w.buf)
	}
	w.buf = nil
	return w.err
}

// sum is the SHA-256 of all that was written.
func (w *flow) sum() string { return hex.EncodeToString(w.hash.Sum(nil)) }
