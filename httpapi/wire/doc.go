// Package wire is what every answer of the HTTP API stands on, whatever it is about: the
// exchange of one request and its answer, bodies on their way in, JSON and streams on their
// way out, feeds that wait, and the errors that all rooms answer with.
//
// A Handler answers a request or returns the error to answer it with. What a request takes
// with it hangs on its context: ExchangeOf finds it. Shared is what all exchanges of one
// server share. errors.go is the only place where an error meets a status and CouchDB's
// error word.
//
// What always holds:
//   - a status is sent when the answer is known to be good; after the first byte of a
//     stream an error cuts the connection, it never completes a wrong answer;
//   - the memory for a body, and the turn of a large query, are given back before bytes go
//     to a client, so that one who is slow keeps nobody waiting;
//   - nothing here opens a database, and nothing here knows a route: that is the business
//     of package access and of the rooms.
package wire

// CouchVersion is the CouchDB whose API this is. Clients parse it and choose by it
// which endpoints to use.
const CouchVersion = "3.5.0"
