//go:build unix && !freebsd && !dragonfly

package worker

func limitOf(n uint64) uint64 { return n }
