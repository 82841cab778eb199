// Package engine says what the store stands on: ordered key-value transactions, one
// writer at a time a database.
//
// An Engine holds databases by name. A DB is a set of key spaces, each an ordered
// map from byte strings to byte strings. View reads one snapshot; Update is the only
// way to write and is durable when it returns nil.
//
// What every engine keeps to, and enginetest checks:
//   - keys are ordered bytewise;
//   - one Update of a DB runs at a time, over all processes that share it;
//   - fn of an Update may run again from the start, so that it has no effects but
//     those on its Tx; fn of a View runs once;
//   - errors cross this boundary, retries do not: what can be tried again is tried
//     again below it;
//   - a commit of which the engine does not know whether it took place is ErrUnknown.
//
// Never call Update inside a View of the same database: an engine may wait for all
// readers before it can write.
package engine
