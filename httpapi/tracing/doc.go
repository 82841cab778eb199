// Package tracing tells a collector of traces, over OTLP, what the server does for whom
// and how long it takes: a span for each request, and one for each request that a
// replication sends. A trace goes on from server to server by the header traceparent.
//
// What always holds:
//   - without an endpoint there is no tracing and nothing is sent anywhere;
//   - a collector that is slow or gone costs spans, never requests;
//   - a span holds methods, paths without queries, statuses and ids, never a header or
//     a body.
package tracing
