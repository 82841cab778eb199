package wire

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceparent passes a trace on in headers (W3C Trace Context).
var traceparent propagation.TraceContext

// StartSpan begins the span of a request, within the trace that came with it.
func (x *Exchange) StartSpan(tracer trace.Tracer, r *http.Request) context.Context {
	ctx := traceparent.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, x.Span = tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
	return ctx
}

// EndSpan ends the span and records how the request ended.
func (x *Exchange) EndSpan(r *http.Request) {
	if x.Span == nil {
		return
	}
	if route := strings.TrimSuffix(x.Path, "..."); route != "" {
		x.Span.SetName(r.Method + " " + route)
		x.Span.SetAttributes(attribute.String("http.route", route))
	}
	x.Span.SetAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.EscapedPath()),
		attribute.Int("http.response.status_code", x.Status), attribute.Int64("http.response.body.size", x.Size),
		attribute.String("tododb.request", x.ID),
	)
	if x.Status >= 500 || x.IsCut {
		x.Span.SetStatus(codes.Error, "")
	}
	x.Span.End()
}

type originKey struct{}

// Origin remembers the request in a context for work that outlives it. The returned function
// puts it into the context of that work. Outgoing passes it on to peers.
func Origin(ctx context.Context) func(context.Context) context.Context {
	span := trace.SpanContextFromContext(ctx)
	id := ""
	if x := ExchangeIn(ctx); x != nil {
		id = x.ID
	}
	return func(work context.Context) context.Context {
		if id != "" {
			work = context.WithValue(work, originKey{}, id)
		}
		if span.IsValid() {
			work = trace.ContextWithSpanContext(work, span)
		}
		return work
	}
}

// Outgoing sends requests to other servers with the id of the request that caused them and, if
// there is a tracer, within its trace.
func Outgoing(base http.RoundTripper, tracer trace.Tracer) http.RoundTripper {
	return &outgoing{base, tracer}
}

// peerRoute names what is asked of a peer: its path without the parts that differ from request
// to request. It knows the paths that replications ask, and no table.
func peerRoute(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		switch {
		case part == "" || strings.HasPrefix(part, "_"):
		case i == 0:
			parts[i] = "{db}"
		case i == 1 || parts[i-1] == "_local":
			parts[i] = "{doc}"
		case parts[i-1] == "_design":
			parts[i] = "{ddoc}"
		default:
			parts[i] = "{name}"
		}
	}
	return "/" + strings.Join(parts, "/")
}

type outgoing struct {
	http.RoundTripper
	tracer trace.Tracer
}

func (o *outgoing) RoundTrip(r *http.Request) (*http.Response, error) {
	id, _ := r.Context().Value(originKey{}).(string)
	if id == "" && o.tracer == nil {
		return o.RoundTripper.RoundTrip(r)
	}
	ctx := r.Context()
	var span trace.Span
	if o.tracer != nil {
		ctx, span = o.tracer.Start(ctx, r.Method+" "+peerRoute(r.URL.EscapedPath()), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.EscapedPath()), attribute.String("server.address", r.URL.Host)))
		defer span.End()
	}
	next := r.Clone(ctx) // the caller owns the headers of the request
	if id != "" {
		next.Header[requestIDHeader] = []string{id}
	}
	if span != nil {
		traceparent.Inject(ctx, propagation.HeaderCarrier(next.Header))
	}
	resp, err := o.RoundTripper.RoundTrip(next)
	if span != nil {
		if err != nil {
			span.SetStatus(codes.Error, "")
		} else {
			span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
		}
	}
	return resp, err
}

// CloseIdleConnections is called by http.Client.
func (o *outgoing) CloseIdleConnections() {
	if c, ok := o.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
