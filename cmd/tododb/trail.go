package main

import (
	"log/slog"

	"github.com/tododb/tododb/httpapi/audit"
	"github.com/tododb/tododb/httpapi/config"
)

// openTrail opens the audit trail that the settings name, and a new one when they change.
func openTrail(cfg *config.Config, log *slog.Logger) (*audit.Trail, error) {
	trail := &audit.Trail{}
	if err := trail.Open(cfg.String("audit", "file")); err != nil {
		return nil, err
	}
	cfg.Watch(func() {
		path := cfg.String("audit", "file")
		if path == trail.Path() {
			return
		}
		if err := trail.Open(path); err != nil {
			log.Error("cannot open the audit trail; keeping the old file", "error", err)
		}
	})
	return trail, nil
}
