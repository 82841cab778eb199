// Package script runs the JavaScript of design documents on goja.
//
// Host is what callers see: a place where functions run. InProcess is the caller's own
// process, for tests and for programs that trust their design documents; a server uses
// store/script/worker, whose processes have this package in them.
//
// A design document is compiled once; its functions then run in runtimes, one call at a
// time in each. What a function sees is what CouchDB's query server shows it: emit, sum,
// log, isArray, toJSON, require, provides, registerType, start, send and getRow, and the
// language as goja has it, ES5 and most of what came since.
//
// Invariants:
//   - each call has a time limit, a stack limit and a limit to what it may allocate, which
//     no function can catch, and a runtime in which one was reached is thrown away. They are
//     looked at between the steps of a function: against what a single native call does
//     with time, memory or the stack only the limits of a process hold;
//   - documents come in and values go out as JSON bytes; nothing is decoded into maps;
//   - what a function throws becomes an *Error with CouchDB's words, and so does source
//     that does not compile or is no function;
//   - code is not made from text at run time: eval and Function throw, as in CouchDB.
package script
