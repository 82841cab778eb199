package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/tracing"
)

// lastTraces is how long a stopping server tries to send the last spans.
const lastTraces = time.Second

// openTracing starts tracing. It returns nil if neither the settings nor the environment name
// a collector.
func openTracing(ctx context.Context, cfg *config.Config, log *slog.Logger) (*tracing.Tracing, error) {
	opt := tracingOptions(cfg)
	if opt.Endpoint == "" {
		return nil, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("cannot send traces", "error", err) }))
	return tracing.Open(ctx, opt)
}

func tracingOptions(cfg *config.Config) tracing.Options {
	return tracing.Options{
		Endpoint: cmp.Or(cfg.String("opentelemetry", "endpoint"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")),
		Share:    cfg.Float("opentelemetry", "sample_ratio"),
		Version:  version, Instance: cfg.String("couchdb", "uuid"),
	}
}

// closeTracing sends the last spans. If that fails, the server has not failed.
func closeTracing(ctx context.Context, t *tracing.Tracing, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTraces)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		log.Warn("cannot send traces", "error", err)
	}
}
