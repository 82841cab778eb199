package main

import "syscall"

// closeToOthers gives a socket that has no name yet the mode of the file that it will be.
func closeToOthers(fd uintptr) error { return syscall.Fchmod(int(fd), 0o600) }
