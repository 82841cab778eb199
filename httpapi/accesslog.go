package httpapi

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi/wire"
)

// over counts a request when it is over, and logs it.
func (s *Server) over(x *wire.Exchange, r *http.Request, began time.Time) {
	ended := s.opt.Now()
	took := ended.Sub(began)
	counted := took
	if x.IsFeed {
		counted = -1
	}
	s.metrics.Request(r.Method, x.Status, counted, x.IsCut)
	x.EndSpan(r)
	s.logAccess(x, r, ended, took)
	if s.trail.On() {
		s.record(x, r, began)
	}
}

// logAccess writes the line of a finished request. It leaves out the query, because that may
// contain keys that users wrote. A Logger would find out first which line of the code it is called from.
func (s *Server) logAccess(x *wire.Exchange, r *http.Request, ended time.Time, took time.Duration) {
	ctx, to := r.Context(), s.opt.Lines.Handler()
	if !to.Enabled(ctx, slog.LevelInfo) {
		return
	}
	user := x.User.Name
	if user == "" {
		user = "undefined" // CouchDB's word for nobody
	}
	attrs := [...]slog.Attr{
		slog.String("request", x.ID),
		slog.String("peer", r.RemoteAddr),
		slog.String("user", user),
		slog.String("method", r.Method),
		slog.String("path", r.URL.EscapedPath()),
		slog.Int("status", x.Status),
		slog.Int64("bytes", x.Size),
		slog.Duration("took", took),
	}
	message := "request"
	if x.IsCut {
		message = "request cut"
	}
	line := slog.NewRecord(ended, slog.LevelInfo, message, 0)
	line.AddAttrs(attrs[:]...)
	_ = to.Handle(ctx, line) // as a Logger does: there is nobody to tell
}
