// Package chaos is an in-memory engine that behaves as badly as a network and a disk may, so
// that code on top of an engine can be tested against it.
//
// It runs a transaction twice, says that it does not know whether a commit took place (when it
// did and when it did not), fails a call, and loses notifications, all as its Options ask, by a
// seed. It overwrites slices that it returned once they are no longer valid, and panics if a
// value is changed after it was passed in. It keeps what it acknowledges. Otherwise it is as
// strict as any engine, and passes the same suite.
package chaos
