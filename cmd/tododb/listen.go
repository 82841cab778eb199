package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/config"
)

// Limits of a connection, in addition to the section limits. An answer may take any time: a
// changes feed may last for ever, and a slow client holds no snapshot.
const (
	// headerBytes is how long the head of a request may be. Each connection, or each stream
	// of one, has it in memory before we know who asks.
	headerBytes = 64 << 10
	streams     = 100 // open at once on one HTTP/2 connection
)

// listeners accept the server's connections. secure is nil if there is no HTTPS, and figures if
// they have no port of their own.
type listeners struct {
	plain, secure, figures net.Listener
}

// openListeners opens the ports.
func openListeners(ctx context.Context, cfg *config.Config, cert *certificate) (*listeners, error) {
	l := &listeners{}
	var err error
	if l.plain, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen()); err != nil {
		return nil, err
	}
	if cert != nil {
		if l.secure, err = cert.listen(ctx); err != nil {
			l.close()
			return nil, err
		}
	}
	if cfg.Bool("prometheus", "additional_port") {
		if l.figures, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.ListenFigures()); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *listeners) close() {
	for _, one := range []net.Listener{l.plain, l.secure, l.figures} {
		if one != nil {
			one.Close()
		}
	}
}

// serveFigures answers on the figures' own port until ctx ends.
func (p *prepared) serveFigures(ctx context.Context, figures http.Handler) {
	server := httpServer(p.cfg, p.log)
	server.Handler = figures
	end := context.AfterFunc(ctx, func() { server.Close() })
	defer end()
	p.log.Info("figures are served", "address", p.listening.figures.Addr().String())
	if err := server.Serve(p.listening.figures); !errors.Is(err, http.ErrServerClosed) {
		p.log.Error("the figures' port", "error", err)
	}
}

// announce says where the server can be reached, once it answers.
func (l *listeners) announce(out io.Writer, log *slog.Logger) {
	say := func(scheme string, at net.Listener) {
		if at == nil {
			return
		}
		if _, err := fmt.Fprintf(out, "tododb %s is listening on %s://%s/\n", version, scheme, at.Addr()); err != nil {
			log.Warn("standard output is closed", "err", err)
		}
		log.Info("listening", "address", at.Addr().String(), "scheme", scheme, "version", version)
	}
	say("http", l.plain)
	say("https", l.secure)
}

// note writes the URLs of the server into a file, one a line, if there is to be one.
func (l *listeners) note(path string) error {
	if path == "" {
		return nil
	}
	text := fmt.Appendf(nil, "http://%s/\n", l.plain.Addr())
	if l.secure != nil {
		text = fmt.Appendf(text, "https://%s/\n", l.secure.Addr())
	}
	return os.WriteFile(path, text, 0o644)
}

// httpServer makes a server that lacks a handler.
func httpServer(cfg *config.Config, log *slog.Logger) *http.Server {
	return &http.Server{
		ReadHeaderTimeout: cfg.Duration("limits", "header_timeout"),
		IdleTimeout:       cfg.Duration("limits", "idle_timeout"),
		MaxHeaderBytes:    headerBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streams},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// answer serves HTTP until ctx ends. Then it stops as stopping says.
func (p *prepared) answer(ctx context.Context, handler http.Handler, stopping *stopping, out io.Writer) error {
	requests, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	server := httpServer(p.cfg, p.log)
	server.Handler, server.BaseContext = handler, func(net.Listener) context.Context { return requests }
	serving := 1
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(httpapi.Listener(p.listening.plain)) }()
	if p.listening.secure != nil {
		serving++
		go func() { ended <- server.Serve(p.listening.secure) }()
	}
	p.listening.announce(out, p.log)
	if err := p.listening.note(p.cfg.String("couchdb", "uri_file")); err != nil {
		p.log.Error("cannot say where the server is reached", "error", err)
	}

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
		failed = fmt.Errorf("serve: %w", failed)
		serving--
	}
	err := stopping.run(context.WithoutCancel(ctx), server, giveUp)
	for range serving {
		<-ended
	}
	return errors.Join(failed, err)
}
