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
	"syscall"

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

// listeners accept the server's connections. secure is nil if there is no HTTPS, local if there is
// no socket, and figures if they have no port of their own.
type listeners struct {
	plain, secure, local, figures net.Listener
}

// openListeners opens the ports and the socket.
func openListeners(ctx context.Context, cfg *config.Config, cert *certificate) (*listeners, error) {
	l := &listeners{}
	var err error
	if l.plain, err = listenTCP(ctx, cfg.Listen(), "--listen"); err != nil {
		return nil, err
	}
	if cert != nil {
		if l.secure, err = cert.listen(ctx); err != nil {
			l.close()
			return nil, err
		}
	}
	if path := cfg.String("chttpd", "socket"); path != "" {
		local, err := listenLocal(ctx, path)
		if err != nil {
			l.close()
			return nil, err
		}
		l.local = local
	}
	if cfg.Bool("prometheus", "additional_port") {
		if l.figures, err = listenTCP(ctx, cfg.ListenFigures(), "[prometheus] port"); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

// listenTCP opens a port. setting is what says which.
func listenTCP(ctx context.Context, address, setting string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: another program has that port, perhaps another tododb; end it, or have this one take another port (%s)", err, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%w: this machine has no such address; 0.0.0.0 stands for all that it has (%s)", err, setting)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%w; give the program the right to (sudo setcap cap_net_bind_service=+ep FILE), or take a port from 1024 on (%s) and lead that one there", err, setting)
	}
	if _, is := errors.AsType[*net.DNSError](err); is {
		return nil, fmt.Errorf("%w: no address is known for that name (%s, or bind_address of its section)", err, setting)
	}
	return l, err
}

func (l *listeners) close() {
	for _, one := range []net.Listener{l.plain, l.secure, l.local, l.figures} {
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
	say := func(url string) {
		if _, err := fmt.Fprintf(out, "tododb %s is listening on %s\n", version, url); err != nil {
			log.Warn("standard output is closed", "err", err)
		}
	}
	for _, at := range []struct {
		scheme, before, after string
		net.Listener
	}{{"http", "http://", "/", l.plain}, {"https", "https://", "/", l.secure}, {"unix", "unix:", "", l.local}} {
		if at.Listener != nil {
			say(at.before + at.Addr().String() + at.after)
			log.Info("listening", "address", at.Addr().String(), "scheme", at.scheme, "version", version)
		}
	}
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
	server.Handler, server.BaseContext = p.beforeAPI(handler), func(net.Listener) context.Context { return requests }
	on := []net.Listener{httpapi.Listener(p.listening.plain)}
	if p.listening.secure != nil {
		on = append(on, p.listening.secure)
	}
	if p.listening.local != nil {
		on = append(on, httpapi.Listener(p.listening.local))
	}
	serving, ended := len(on), make(chan error, len(on))
	for _, l := range on {
		go func() { ended <- server.Serve(l) }()
	}
	if p.cert != nil && p.cert.public != nil { // the authority comes and looks, so only now
		certificates := startChores(ctx)
		defer certificates.stop()
		certificates.run(func(ctx context.Context) { p.cert.public.obtain(ctx, p.log) })
	}
	p.listening.announce(out, p.log)
	tellSystemd(ready, p.log)
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
	tellSystemd(ending, p.log)
	err := stopping.run(context.WithoutCancel(ctx), server, giveUp)
	for range serving {
		<-ended
	}
	return errors.Join(failed, err)
}
