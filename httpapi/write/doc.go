// Package write is what all requests that write documents have in common: with an
// Idempotency-Key a write is done once and then answered from what was recorded, and a
// conflict is explained to a client that prefers that.
//
// What always holds:
//   - the recorded answer and the write are one transaction: a crash leaves both or neither;
//   - a handler writes by One, or by DB.Write with Options, or it may be repeated.
package write
