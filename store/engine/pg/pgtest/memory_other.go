//go:build !linux

package pgtest

// inMemory is a folder whose files are in memory: no such folder is known here.
func inMemory() string { return "" }
