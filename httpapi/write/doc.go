// Package write has what requests that write documents have in common. A write with an
// Idempotency-Key is done once, and repetitions get the recorded answer. A conflict is
// explained to clients that prefer that. _update functions, POST of _index and _purge do not
// come through here, so there an Idempotency-Key is ignored.
//
// What always holds:
//   - the recorded answer and the write are one transaction: a crash leaves both or neither;
//   - a handler writes with One, or with DB.Write and OptionsOf, unless it may be repeated.
package write
