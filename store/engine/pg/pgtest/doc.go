// Package pgtest starts PostgreSQL servers for tests.
//
// Shared is the server of a test binary, which starts when a test first asks for it. Start gives a test
// one of its own, which it may stop, kill and start again. Each has a data directory of its own, and
// listens on a port of its own on loopback. It ends with the process that started it, however that ends.
//
// The newest version that is installed is tested, or the one whose folder of programs TODODB_TEST_POSTGRES names.
//
// Where PostgreSQL is not installed, tests that ask for a server are skipped; where CI is set, they fail.
package pgtest
