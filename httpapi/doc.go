// Package httpapi speaks CouchDB's HTTP API, path for path and word for word, over
// the databases of package store.
//
// A Server is an http.Handler. routes.go lists every route; a handler is a func that
// returns an error; errors.go is the only place where an error meets a status and
// CouchDB's error word. What differs from CouchDB on purpose stands in
// docs/http-api.md.
//
// What always holds:
//   - every answer to an error is JSON {"error","reason"}, on every path;
//   - a status is sent when the answer is known to be good; after the first byte of a
//     stream an error cuts the connection, it never completes a wrong answer;
//   - stored bodies are spliced into answers as bytes, never decoded into maps.
package httpapi
