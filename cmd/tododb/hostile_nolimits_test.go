//go:build !linux && !darwin

package main

// limit does nothing where a process has no such limits.
func (c *confinement) limit() error { return nil }
