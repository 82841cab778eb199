package wire

import (
	"io"
	"net/http"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// StreamPiece is how many bytes of a streamed answer are gathered before they are sent.
const StreamPiece = 32 << 10

// Stream is a JSON answer that is sent in pieces. Append to Buf and call Flush from time to
// time, at least whenever Full says so, and End when everything is written. Nothing is sent
// before the first Flush, so an error until then is answered as usual. Later an error that the
// handler returns cuts the connection.
type Stream struct {
	Buf []byte

	w        http.ResponseWriter
	r        *http.Request
	status   int
	pooled   *[]byte
	z        *gzip.Writer // nil: sent as it is
	started  bool
	closed   bool
	holes    []hole // in Buf, to be filled before it is sent
	call     bool   // it is JSON, as the argument of a call
	turns    *Turns // nil: the answer takes none
	giveTurn func() // gives back its turn; nil: it has none
}

// NewStream begins an answer. Call End or Drop after it. If it is not JSON, its Content-Type must
// have been set.
func NewStream(w http.ResponseWriter, r *http.Request, status int) *Stream {
	b := GetBuf()
	st := &Stream{Buf: *b, w: w, r: r, status: status, pooled: b, turns: ExchangeOf(r).turns}
	if callback := callbackOf(w); callback != "" {
		st.Buf, st.call = appendCall(st.Buf, callback), true
	}
	return st
}

// Full tells whether it is time to flush.
func (st *Stream) Full() bool { return len(st.Buf) >= StreamPiece || len(st.holes) >= maxHoles }

// begin sends the header. length is the length of the whole answer, or negative.
func (st *Stream) begin(length int) {
	st.started = true
	h := st.w.Header()
	if st.call {
		h["Content-Type"] = typeScript
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = TypeJSON
	}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = MustRevalidate
	}
	if st.r.Method != http.MethodHead && (length < 0 || length >= compressFrom) && wantsGzip(st.r, h) {
		h["Content-Encoding"] = codingGzip
		st.z = getGzip(st.w)
	} else if length >= 0 {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	st.w.WriteHeader(st.status)
}

// Flush passes what is ready to the connection. It may stay in the server's own buffers for a
// while: see Push.
func (st *Stream) Flush() error {
	if err := st.fill(); err != nil {
		return err
	}
	if !st.started {
		st.begin(-1)
	}
	return st.write()
}

func (st *Stream) write() error {
	st.EndTurn()
	var err error
	switch {
	case len(st.Buf) == 0 || st.r.Method == http.MethodHead:
	case len(st.Buf) >= LongAnswer:
		to := io.Writer(st.w)
		if st.z != nil {
			to = st.z
		}
		err = ExchangeOf(st.r).HandOn(to, &st.Buf)
	case st.z != nil:
		_, err = st.z.Write(st.Buf)
	default:
		_, err = st.w.Write(st.Buf)
	}
	st.Buf = st.Buf[:0]
	return err
}

// Push flushes all the way to the client. Feeds do this after each row and heartbeat.
func (st *Stream) Push() error {
	if err := st.Flush(); err != nil {
		return err
	}
	if st.z != nil {
		if err := st.z.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(st.w).Flush()
}

// End completes the answer. If it was never flushed, it gets a Content-Length.
func (st *Stream) End() error {
	defer st.Drop()
	st.EndTurn()
	if err := st.fill(); err != nil {
		return err
	}
	if st.call {
		st.Buf = endCall(st.Buf)
	}
	if !st.started {
		st.begin(len(st.Buf))
	}
	err := st.write()
	if st.z != nil {
		if e := st.z.Close(); err == nil {
			err = e
		}
	}
	return err
}

// Drop releases what the stream holds. After End it does nothing.
func (st *Stream) Drop() {
	if st.closed {
		return
	}
	st.closed = true
	st.EndTurn()
	if st.z != nil {
		putGzip(st.z)
		st.z = nil
	}
	*st.pooled = st.Buf
	PutBuf(st.pooled)
	st.Buf = nil
}
