// Package functions keeps the functions of the design documents of open databases ready:
// compiled, and as of a state of the design documents, so that one that was changed by
// whoever it may be is never taken for what it was.
//
// Invariants:
//   - what At gives is of the design documents at the sequence that it was asked for or a
//     later one, never of an earlier one;
//   - a design document that has not changed keeps what was compiled of it.
package functions
