package httpapi

import (
	"io"
	"net/http"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// streamPiece is how much of a streamed answer is gathered before it is sent.
const streamPiece = 32 << 10

// stream is a JSON answer that is sent in pieces. Append to buf and call flush now and
// then, at least whenever full says so, and end when all is written. Nothing is sent
// before the first flush, so an error until then is answered as usual; after it the
// error that the handler returns cuts the connection.
type stream struct {
	buf []byte

	w       http.ResponseWriter
	r       *http.Request
	status  int
	pooled  *[]byte
	z       *gzip.Writer // nil: sent as it is
	started bool
	closed  bool
	holes   []hole // in buf, to be filled before it is sent
	turns   *turns // nil: the answer takes none
	turn    bool   // it has one
}

// newStream begins an answer; end or drop must follow.
func newStream(w http.ResponseWriter, r *http.Request, status int) *stream {
	b := getBuf()
	return &stream{buf: *b, w: w, r: r, status: status, pooled: b, turns: exchangeOf(r).turns}
}

// full tells that it is time to flush.
func (st *stream) full() bool { return len(st.buf) >= streamPiece || len(st.holes) >= maxHoles }

// begin sends the header; length is that of the whole answer, or negative.
func (st *stream) begin(length int) {
	st.started = true
	h := st.w.Header()
	if h["Content-Type"] == nil {
		h["Content-Type"] = typeJSON
	}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = mustRevalidate
	}
	if st.r.Method != http.MethodHead && (length < 0 || length >= compressFrom) && wantsGzip(st.r, h) {
		h["Content-Encoding"] = codingGzip
		st.z = getGzip(st.w)
	} else if length >= 0 {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	st.w.WriteHeader(st.status)
}

// flush hands what has gathered to the connection. It may stay in the server's own
// buffers for a while: see push.
func (st *stream) flush() error {
	if err := st.fill(); err != nil {
		return err
	}
	if !st.started {
		st.begin(-1)
	}
	return st.write()
}

func (st *stream) write() error {
	st.endTurn()
	var err error
	switch {
	case len(st.buf) == 0 || st.r.Method == http.MethodHead:
	case len(st.buf) >= longAnswer:
		to := io.Writer(st.w)
		if st.z != nil {
			to = st.z
		}
		err = exchangeOf(st.r).handOn(to, &st.buf)
	case st.z != nil:
		_, err = st.z.Write(st.buf)
	default:
		_, err = st.w.Write(st.buf)
	}
	st.buf = st.buf[:0]
	return err
}

// push flushes all the way to the client: what feeds do with each row and heartbeat.
func (st *stream) push() error {
	if err := st.flush(); err != nil {
		return err
	}
	if st.z != nil {
		if err := st.z.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(st.w).Flush()
}

// end completes the answer. One that was never flushed gets a Content-Length.
func (st *stream) end() error {
	defer st.drop()
	st.endTurn()
	if err := st.fill(); err != nil {
		return err
	}
	if !st.started {
		st.begin(len(st.buf))
	}
	err := st.write()
	if st.z != nil {
		if e := st.z.Close(); err == nil {
			err = e
		}
	}
	return err
}

// drop gives back what the stream holds; after end it does nothing.
func (st *stream) drop() {
	if st.closed {
		return
	}
	st.closed = true
	st.endTurn()
	if st.z != nil {
		putGzip(st.z)
		st.z = nil
	}
	*st.pooled = st.buf
	putBuf(st.pooled)
	st.buf = nil
}
