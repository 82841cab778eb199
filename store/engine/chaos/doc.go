// Package chaos is an engine in memory that does to its users what a network and a
// disk may do to them, so that what stands on an engine can be tested against it.
//
// It runs a transaction twice, says that it does not know whether a commit took place
// (when it did and when it did not), fails a call, and loses notifications; all of it
// as its Options ask, by a seed. Slices that it gave out it spoils when they are no longer
// valid, and it panics over a value that was changed after it was given. What it
// acknowledges it keeps: it is as strict as any engine otherwise, and passes the same
// suite.
package chaos
