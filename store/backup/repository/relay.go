package repository

import "sync"

// relay takes bytes in and gives them on in buffers of one size. Beyond the first buffer a goroutine of
// its own does that, so that whoever writes to it reads on meanwhile: one buffer is filled while another
// one is given on and a third waits. It ends with end.
type relay struct {
	give func([]byte) error // which keeps no slice; after an error it is not called any more

	buf    []byte
	full   chan []byte   // nil: the goroutine has not begun
	free   chan []byte   // buffers that were given on
	over   chan struct{} // the goroutine has ended
	failed chan struct{} // closed after err is set
	err    error
}

// How many buffers there are, and their size.
const (
	relayBuffers = 3
	relaySize    = 256 << 10
)

// relayRooms are buffers that are in nobody's use.
var relayRooms = sync.Pool{New: func() any { return new([relaySize]byte) }}

func relayRoom() []byte { return relayRooms.Get().(*[relaySize]byte)[:0] }

func newRelay(give func([]byte) error) *relay {
	return &relay{give: give, failed: make(chan struct{}), buf: relayRoom()}
}

func (w *relay) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(w.buf) == relaySize {
			if err := w.pass(); err != nil {
				return n, err
			}
		}
		k := min(relaySize-len(w.buf), len(p))
		w.buf = append(w.buf, p[:k]...)
		n, p = n+k, p[k:]
	}
	return n, nil
}

// pass gives a full buffer to the goroutine, and takes an empty one.
func (w *relay) pass() error {
	if w.full == nil {
		w.full, w.free, w.over = make(chan []byte, 1), make(chan []byte, relayBuffers), make(chan struct{})
		for range relayBuffers - 1 {
			w.free <- relayRoom()
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

func (w *relay) run() {
	defer close(w.over)
	for b := range w.full {
		w.put(b)
		w.free <- b[:0]
	}
}

// put gives a buffer on, unless an earlier one has failed.
func (w *relay) put(b []byte) {
	if w.err != nil {
		return
	}
	if err := w.give(b); err != nil {
		w.err = err
		close(w.failed)
	}
}

// waiting tells give whether the next buffer is full already.
func (w *relay) waiting() bool { return len(w.full) > 0 }

// end gives on what is left, or not, and ends the goroutine. Then nothing is to be written any more.
func (w *relay) end(whole bool) error {
	if w.full != nil {
		close(w.full)
		<-w.over
		w.full = nil
		for len(w.free) > 0 {
			relayRooms.Put((*[relaySize]byte)((<-w.free)[:relaySize]))
		}
	}
	if whole && len(w.buf) > 0 {
		w.put(w.buf)
	}
	if w.buf != nil {
		relayRooms.Put((*[relaySize]byte)(w.buf[:relaySize]))
		w.buf = nil
	}
	return w.err
}
