package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// reloadOnHangup reloads when the process gets SIGHUP, until ctx ends. A mistake in a
// file is logged, and everything stays as it was.
func reloadOnHangup(ctx context.Context, reload func() error, log *slog.Logger) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
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
