// Package tracing sends traces to a collector over OTLP: a span for each request, and one for
// each request that a replication sends. They show what the server does and how long it takes.
// The header traceparent continues a trace from server to server.
//
// What always holds:
//   - without an endpoint there is no tracing and nothing is sent anywhere;
//   - if a collector is slow or gone, spans are lost, never requests;
//   - a span contains methods, paths without queries, statuses and ids, never a header or
//     a body.
package tracing
