// Package storetest opens engines, stores and databases for tests, each in an empty folder.
// What it opens closes when the test ends, after whatever the test has opened on it. Nothing
// but tests, and packages for tests, may import it.
package storetest
