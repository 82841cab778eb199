// Package wire has what all answers of the HTTP API need, whatever they are about: the
// exchange of a request and its answer, request bodies, JSON and streams, feeds that wait,
// and the errors that all rooms use.
//
// A Handler answers a request or returns the error to answer it with. The state of a request
// is in its context, where ExchangeOf finds it. Shared is what all exchanges of one server
// share. Errors from below are turned into a status and CouchDB's error word by package fault,
// which Shared is given.
//
// What always holds:
//   - a status is sent once the answer is known to be good; after the first byte of a
//     stream an error cuts the connection and never completes a wrong answer;
//   - the memory for a body, and the turn of a large query, are given back before bytes go
//     to a client, so a slow client keeps nobody waiting;
//   - nothing here opens a database or knows a route: package access and the rooms do.
package wire

// CouchVersion is the version of CouchDB whose API this is. Clients parse it to choose which
// endpoints to use.
const CouchVersion = "3.5.0"
