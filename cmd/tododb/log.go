package main

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/logging"
)

// newLog makes a log on standard error. Its format is as in logFormat.
func newLog(format string, level slog.Leveler) (*slog.Logger, error) {
	h, err := logFormat(os.Stderr, format, level)
	if err != nil {
		return nil, err
	}
	return slog.New(h), nil
}

// openLog opens the log of a server, which follows its settings.
func openLog(cfg *config.Config, opt serveOptions) (*logging.Log, *slog.Logger, error) {
	place := logPlace(cfg, opt.data)
	to, err := logging.Open(place, os.Stderr)
	if err != nil {
		return nil, nil, err
	}
	level := &slog.LevelVar{}
	level.Set(cfg.Level())
	h, err := to.Handler(func(w io.Writer) (slog.Handler, error) {
		if place.Writer == "stderr" && isTerminal(os.Stderr) {
			w = terminal{w}
		}
		return logFormat(w, opt.logFormat, level)
	})
	if err != nil {
		return nil, nil, errors.Join(err, to.Close())
	}
	log := slog.New(h)
	cfg.Watch(func() {
		level.Set(cfg.Level())
		if err := to.Change(logPlace(cfg, opt.data)); err != nil {
			log.Error("cannot write the log there; keeping the old place", "error", err)
		}
	})
	return to, log, nil
}

// logPlace says where the log goes.
func logPlace(cfg *config.Config, data string) logging.Destination {
	return logging.Destination{
		Writer: cfg.String("log", "writer"), File: cmp.Or(cfg.String("log", "file"), filepath.Join(data, "tododb.log")),
		Buffer: int(cfg.Int("log", "write_buffer")), Delay: time.Duration(cfg.Int("log", "write_delay")) * time.Millisecond,
		Host:  net.JoinHostPort(cmp.Or(cfg.String("log", "syslog_host"), "localhost"), cfg.String("log", "syslog_port")),
		AppID: cfg.String("log", "syslog_appid"), Facility: cfg.String("log", "syslog_facility"),
	}
}

// logFormat makes what formats lines. The format auto is text on a terminal and JSON elsewhere.
func logFormat(w io.Writer, format string, level slog.Leveler) (slog.Handler, error) {
	opt := &slog.HandlerOptions{Level: level}
	switch format {
	case "auto":
		if isTerminal(w) {
			return slog.NewTextHandler(w, opt), nil
		}
		return slog.NewJSONHandler(w, opt), nil
	case "text":
		return slog.NewTextHandler(w, opt), nil
	case "json":
		return slog.NewJSONHandler(w, opt), nil
	}
	return nil, usagef("--log-format %q: want auto, text or json", format)
}

// terminal is a writer that leads to a terminal.
type terminal struct{ io.Writer }

func isTerminal(w io.Writer) bool {
	if _, is := w.(terminal); is {
		return true
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
