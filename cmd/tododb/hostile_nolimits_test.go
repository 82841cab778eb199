//go:build !linux && !darwin

package main

// limit does nothing on systems without such limits.
func (c *confinement) limit() error { return nil }
