package httpapi

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"
)

// newRequestID makes what ties an answer to its line in the log: ten hex digits. It
// is no secret and need not be hard to guess.
func newRequestID() string {
	const hexDigits = "0123456789abcdef"
	n := rand.Uint64()
	var b [10]byte
	for i := range b {
		b[i] = hexDigits[n&15]
		n >>= 4
	}
	return string(b[:])
}

// over counts a request when it is over, and logs it.
func (s *Server) over(x *exchange, r *http.Request, began time.Time) {
	took := s.opt.Now().Sub(began)
	counted := took
	if x.feed {
		counted = -1
	}
	s.metrics.Request(r.Method, x.status, counted, x.cut)
	if x.span != nil {
		endSpan(x, r)
	}
	s.logAccess(x, r, took)
	if s.trail.On() {
		s.record(x, r, began)
	}
}

// logAccess writes the line of one request when it is over. Queries are left out: they
// hold keys, that is, what users have written.
func (s *Server) logAccess(x *exchange, r *http.Request, took time.Duration) {
	ctx := r.Context()
	if !s.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	user := x.user.Name
	if user == "" {
		user = "undefined" // CouchDB's word for nobody
	}
	attrs := [9]slog.Attr{
		slog.String("request", x.id),
		slog.String("peer", r.RemoteAddr),
		slog.String("user", user),
		slog.String("method", r.Method),
		slog.String("path", r.URL.EscapedPath()),
		slog.Int("status", x.status),
		slog.Int64("bytes", x.size),
		slog.Duration("took", took),
	}
	message := "request"
	if x.cut {
		message = "request cut"
	}
	n := len(attrs) - 1
	if x.from != "" {
		attrs[n] = slog.String("from", x.from)
		n++
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, message, attrs[:n]...)
}
