package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// hangups has each SIGHUP from now on, until the process ends: without it, one that comes too soon or too late would end
// the process.
func hangups() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}

// reloadOnHangup reloads when the process gets SIGHUP, until ctx ends. A mistake in a
// file is logged, and everything stays as it was.
func reloadOnHangup(ctx context.Context, hangups <-chan os.Signal, reload func() error, log *slog.Logger) {
	for {
		select {
		case <-hangups:
		case <-ctx.Done():
			return
		}
		if err := reload(); err != nil {
			log.Error("cannot read the settings; keeping the old ones", "error", err)
			continue
		}
		log.Info("settings reloaded")
	}
}
