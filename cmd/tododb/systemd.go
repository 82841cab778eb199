package main

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// What systemd wants to know of a service of type notify.
const (
	ready  = daemon.SdNotifyReady // it answers
	ending = daemon.SdNotifyStopping
)

// tellSystemd says how far the server is, if systemd has started it and waits for that.
func tellSystemd(state string, log *slog.Logger) {
	const forget = false // there is more to say later
	if _, err := daemon.SdNotify(forget, state); err != nil {
		log.Warn("systemd does not hear how far the server is", "state", state, "error", err)
	}
}
