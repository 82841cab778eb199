// Package httpapi speaks CouchDB's HTTP API, path for path and word for word, over
// the databases of package store.
//
// A Server is an http.Handler. routes.go has the table of all routes and who may use each.
// Everything that answers is built on package wire. docs/http-api.md lists the intended
// differences from CouchDB.
//
// What always holds:
//   - every answer to an error is JSON {"error","reason"}, on every path;
//   - the table says who may use a route, and no other place may ask for less;
//   - some handlers ask for more than the table does. Tokens are managed with a login, and
//     only administrators see the tokens of others (account/tokens.go). Only administrators
//     hear what is wrong with the name of a new database (unknown.go). _dbs_info opens each
//     database for the user who asks (operate/dbsinfo.go). A synchronization with another
//     database of this server needs rights there too (replications/synchronizations.go);
//   - stored bodies are spliced into answers as bytes, never decoded into maps.
package httpapi
