// Package engine defines the storage that the store needs: ordered key-value transactions, with
// one writer at a time for each database.
//
// An Engine holds databases by name. A DB is a set of key spaces, each an ordered
// map from byte strings to byte strings. View reads one snapshot; Update is the only
// way to write and is durable when it returns nil.
//
// What every engine guarantees, and enginetest checks:
//   - keys are ordered bytewise;
//   - one Update of a DB runs at a time, over all processes that share it;
//   - fn of an Update may run again from the start, so it has no effects except on its Tx; fn
//     of a View runs once;
//   - errors cross this boundary, retries do not: the engine itself retries what it can;
//   - if the engine does not know whether a commit took place, the error is ErrUnknown.
//
// Never call Update inside a View of the same database: an engine may wait for all
// readers before it can write.
package engine
