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
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/replicate"
)

// Limits of a connection. There is none for the time that an answer takes: a changes
// feed may go on for ever, and a slow client holds no snapshot.
const (
	headerTimeout = 30 * time.Second // to send the head of a request
	idleTimeout   = 5 * time.Minute  // between two requests
	headerBytes   = 1 << 20
	stopTimeout   = 10 * time.Second // for requests to end after a signal
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Start the server",
		Long: `serve starts the server and runs until SIGTERM or SIGINT, which end it in an orderly
way; a second signal ends it at once.

COUCHDB_USER and COUCHDB_PASSWORD name an administrator. Without any, the first start
makes one called admin and prints its password.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, variable := range map[string]string{
				"data": "TODODB_DATA", "listen": "TODODB_LISTEN", "config": "TODODB_CONFIG",
				"log-level": "TODODB_LOG_LEVEL", "log-format": "TODODB_LOG_FORMAT",
			} {
				if err := fromEnv(cmd, flag, variable); err != nil {
					return err
				}
			}
			flag := func(name string) string { return cmd.Flag(name).Value.String() }
			opt := serveOptions{data: flag("data"), file: flag("config"), logFormat: flag("log-format"), set: map[config.Name]string{}}
			if cmd.Flags().Changed("listen") {
				host, port, err := net.SplitHostPort(flag("listen"))
				if err != nil {
					return usagef("--listen: %w", err)
				}
				opt.set[config.Name{Section: "chttpd", Name: "bind_address"}] = host
				opt.set[config.Name{Section: "chttpd", Name: "port"}] = port
			}
			if cmd.Flags().Changed("log-level") {
				opt.set[config.Name{Section: "log", Name: "level"}] = flag("log-level")
			}
			return serve(cmd.Context(), opt, cmd.OutOrStdout())
		},
	}
	dataFlag(cmd)
	cmd.Flags().String("listen", "127.0.0.1:5984", "HOST:PORT to listen on [TODODB_LISTEN]")
	cmd.Flags().String("config", "", "file of settings, in CouchDB's ini form [TODODB_CONFIG]")
	cmd.Flags().String("log-level", "info", "least level that is logged: debug, info, warning, error or none [TODODB_LOG_LEVEL]")
	cmd.Flags().String("log-format", "auto", "text, json, or auto: text on a terminal and JSON elsewhere [TODODB_LOG_FORMAT]")
	return cmd
}

type serveOptions struct {
	data      string
	file      string // of settings; "" for none
	logFormat string
	set       map[config.Name]string
}

// serve runs a server until ctx ends, and stops it in the order in which its parts
// stand on each other: answers, replications, databases.
func serve(ctx context.Context, opt serveOptions, out io.Writer) (err error) {
	lock, err := lockFolder(opt.data, true)
	if err != nil {
		return err
	}
	closeLock := func() { err = errors.Join(err, lock.Close()) }

	cfg, err := config.Open(config.Options{File: opt.file, Local: filepath.Join(opt.data, "local.ini"), Overrides: opt.set})
	if err != nil {
		closeLock()
		if _, ok := errors.AsType[*config.ValueError](err); ok {
			return &usageError{err}
		}
		return err
	}
	log, err := newLog(os.Stderr, opt.logFormat, cfg.Level())
	if err != nil {
		closeLock()
		return err
	}
	// Listen before anything is made: a port that is taken is the commonest mistake.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen())
	if err != nil {
		closeLock()
		return err
	}
	defer listener.Close()
	first := len(cfg.Section("admins")) == 0
	if err = identify(cfg); err == nil && first {
		err = administrators(cfg, out)
	}
	if err != nil {
		closeLock()
		return err
	}
	f, err := openFolder(ctx, opt.data, lock, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	var sweeping sync.WaitGroup
	sweepCtx, stopSweeping := context.WithCancel(ctx)
	sweeping.Go(func() { sweepUntil(sweepCtx, f.store, sweepEvery, log) })
	defer func() { stopSweeping(); sweeping.Wait() }()

	manager, err := replicate.NewManager(ctx, replicate.Options{Store: f.store, Server: cfg.String("couchdb", "uuid"), Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Close()) }()

	api, err := httpapi.New(httpapi.Options{
		Store: f.store, Log: log, Version: version,
		UUID:           f.uuid,
		Admins:         cfg.Section("admins"),
		Secret:         []byte(cfg.String("chttpd_auth", "secret")),
		SessionTimeout: cfg.Duration("chttpd_auth", "timeout"),
		CORS: httpapi.CORS{
			Enabled:     cfg.Bool("chttpd", "enable_cors"),
			Origins:     cfg.List("cors", "origins"),
			Credentials: cfg.Bool("cors", "credentials"),
			Headers:     cfg.List("cors", "headers"),
			Methods:     cfg.List("cors", "methods"),
			MaxAge:      cfg.Duration("cors", "max_age"),
		},
		MaxRequestSize:  cfg.Int("chttpd", "max_http_request_size"),
		MaxDocumentSize: cfg.Int("couchdb", "max_document_size"),

		MaxAttachmentSize: cfg.Int("couchdb", "max_attachment_size"),
		Replicator:        manager,
	})
	if err != nil {
		return err
	}
	handler := http.Handler(api)
	if !first {
		// Whether a password is still the one that its hash was made of takes a good part
		// of a second, on purpose: what needs no credentials need not wait for it.
		var fail context.CancelCauseFunc
		ctx, fail = context.WithCancelCause(ctx)
		settled := make(chan struct{})
		handler = &afterSettled{api, settled}
		var settling sync.WaitGroup
		settling.Go(func() {
			defer close(settled)
			err := administrators(cfg, out)
			if err == nil {
				err = api.SetAdmins(cfg.Section("admins"))
			}
			if err != nil {
				fail(err)
			}
		})
		defer func() {
			settling.Wait()
			if cause := context.Cause(ctx); ctx.Err() != nil && !errors.Is(cause, context.Canceled) {
				err = errors.Join(err, cause)
			}
			fail(nil)
		}()
	}
	return answer(ctx, listener, api, handler, log, out)
}

// afterSettled lets requests with credentials wait until it is settled who the
// administrators are.
type afterSettled struct {
	http.Handler
	settled <-chan struct{}
}

func (a *afterSettled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || strings.HasPrefix(r.URL.Path, "/_session") {
		select {
		case <-a.settled:
		case <-r.Context().Done():
		}
	}
	a.Handler.ServeHTTP(w, r)
}

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
