package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/tododb/tododb/httpapi"
)

// Limits of a connection. There is none for the time that an answer takes: a changes
// feed may go on for ever, and a slow client holds no snapshot.
const (
	headerTimeout = 30 * time.Second // to send the head of a request
	idleTimeout   = 5 * time.Minute  // between two requests
	headerBytes   = 1 << 20
	stopTimeout   = 10 * time.Second // for requests to end after a signal
)

// answer serves HTTP until ctx ends. Feeds are then brought to a proper end, other
// requests are waited for, and what takes longer than stopTimeout is cut off.
func answer(ctx context.Context, listener net.Listener, api *httpapi.Server, handler http.Handler, log *slog.Logger, out io.Writer) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(httpapi.Listener(listener)) }()
	if _, err := fmt.Fprintf(out, "tododb %s is listening on http://%s/\n", version, listener.Addr()); err != nil {
		log.Warn("standard output is closed", "err", err)
	}
	log.Info("listening", "address", listener.Addr().String(), "version", version)

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
		failed = fmt.Errorf("serve: %w", failed)
	}
	log.Info("stopping")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	// Both at once: Shutdown waits for the feeds that Close ends, and no new request
	// is let in behind Close's back.
	shut := make(chan error, 1)
	go func() { shut <- server.Shutdown(stop) }()
	err := errors.Join(api.Close(stop), <-shut)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("requests are still running; they are cut off")
		err = server.Close()
	}
	if failed == nil {
		<-ended
	}
	return errors.Join(failed, err)
}
