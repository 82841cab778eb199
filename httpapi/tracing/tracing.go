package tracing

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options say where spans go.
type Options struct {
	// Endpoint is the collector's URL, such as http://HOST:4318. Spans go to /v1/traces unless
	// it has a path. The exporter's environment variables, such as OTEL_EXPORTER_OTLP_HEADERS,
	// are respected.
	Endpoint string
	Share    float64 // of the traces that start here; a trace that came with a request decides for itself
	Version  string  // of the server
	Instance string  // its uuid
}

// Tracing sends spans to their collector. A nil one traces nothing.
type Tracing struct{ provider *sdk.TracerProvider }

// Open starts tracing. Close must follow. Open sends nothing, so a collector that does not
// answer is no error.
func Open(ctx context.Context, opt Options) (*Tracing, error) {
	at, err := url.Parse(opt.Endpoint)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("[opentelemetry] endpoint = %q is not a URL such as http://127.0.0.1:4318", opt.Endpoint)
	}
	if at.Path == "" || at.Path == "/" {
		at.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at.String()))
	if err != nil {
		return nil, fmt.Errorf("[opentelemetry] endpoint: %w", err)
	}
	who := resource.NewSchemaless(
		attribute.String("service.name", "tododb"), attribute.String("service.version", opt.Version),
		attribute.String("service.instance.id", opt.Instance),
	)
	return &Tracing{sdk.NewTracerProvider(
		sdk.WithBatcher(exporter, sdk.WithBatchTimeout(time.Second)), sdk.WithResource(who),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(opt.Share))),
	)}, nil
}

// Tracer returns what makes spans; nil if nothing is traced.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer("github.com/tododb/tododb")
}

// Close sends the remaining spans, unless ctx ends first.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}
