// Package script runs the JavaScript of design documents on goja.
//
// Callers see a Host: a place where functions run. InProcess runs them in the caller's own
// process, for tests and for programs that trust their design documents. A server uses
// store/script/worker, whose processes contain this package.
//
// A design document is compiled once; its functions then run in runtimes, one call at a time in
// each. Functions see what CouchDB's query server shows them: emit, sum, log, isArray, toJSON,
// require, provides, registerType, start, send and getRow. The language is goja's, ES5 and most
// of what came since.
//
// Invariants:
//   - each call has limits of time, stack and allocation that no function can catch, and a
//     runtime that reached one is thrown away. They are checked between the steps of a
//     function: only the limits of a process stop a single native call that takes too much
//     time, memory or stack;
//   - documents come in and values go out as JSON bytes; nothing is decoded into maps;
//   - what a function throws becomes an *Error with CouchDB's words; so does source that does
//     not compile or is not a function;
//   - text does not become code at run time: eval and Function throw, as in CouchDB.
package script
