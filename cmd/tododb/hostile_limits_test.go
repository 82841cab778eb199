//go:build linux || darwin

package main

import "syscall"

// limit sets the limits that a control group does not have.
func (c *confinement) limit() error {
	limits := map[int]uint64{syscall.RLIMIT_NOFILE: c.Files, syscall.RLIMIT_FSIZE: c.Largest}
	if c.Memory > 0 && c.Procs == "" {
		// Go asks for its heap 64 MiB at a time, and for what it may never use.
		limits[syscall.RLIMIT_DATA] = uint64(c.Memory) + 192<<20
	}
	for what, n := range limits {
		if n == 0 {
			continue
		}
		if err := syscall.Setrlimit(what, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	return nil
}
