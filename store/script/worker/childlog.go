package worker

import (
	"context"
	"log/slog"
)

// logHandler sends what functions log to the server.
type logHandler struct {
	out   *sender
	attrs []slog.Attr
}

// Enabled is part of slog.Handler, as are the methods below it.
func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := append([]slog.Attr{}, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	// This has a buffer of its own: the sender's may hold a half-made answer of the call.
	b := appendFrame(nil, logged)
	b = appendBytes(appendNumber(b, int(r.Level)+logLevels), cut(r.Message, maxLogged))
	b = appendNumber(b, len(attrs))
	for _, a := range attrs {
		b = appendBytes(appendBytes(b, a.Key), cut(a.Value.String(), maxLogged))
	}
	if err := endFrame(b, 0); err != nil {
		return err
	}
	_, err := h.out.w.Write(b)
	return err
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.out, append(append([]slog.Attr{}, h.attrs...), attrs...)}
}

func (h *logHandler) WithGroup(string) slog.Handler { return h }

// maxLogged is the most bytes logged of one item.
const maxLogged = 16 << 10

// logLevels is added to levels, which may be negative.
const logLevels = 64
