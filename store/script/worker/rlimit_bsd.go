//go:build freebsd || dragonfly

package worker

func limitOf(n uint64) int64 { return int64(n) } // as the kernel there has it
