// Package httpapi speaks CouchDB's HTTP API, path for path and word for word, over
// the databases of package store.
//
// A Server is an http.Handler. routes.go is the table of all routes, and of who may use
// each; what answers stands on package wire. What differs from CouchDB on purpose stands in
// docs/http-api.md.
//
// What always holds:
//   - every answer to an error is JSON {"error","reason"}, on every path;
//   - who may use a route is said in the table, and nowhere else may less be asked;
//   - stored bodies are spliced into answers as bytes, never decoded into maps.
package httpapi
