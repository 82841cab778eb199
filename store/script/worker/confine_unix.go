//go:build unix

package worker

import "golang.org/x/sys/unix"

// Apart from the heap, a process has its code's data and the collector's memory.
const (
	arena    = 64 << 20 // Go asks the system for whole arenas
	overhead = 96 << 20
)

// limitResources limits what the kernel gives to this process.
func limitResources(memory int64) {
	set := func(what int, most uint64) {
		_ = unix.Setrlimit(what, &unix.Rlimit{Cur: limitOf(most), Max: limitOf(most)})
	}
	if !raceDetector { // it maps more than any machine has
		set(unix.RLIMIT_DATA, uint64((memory+arena-1)/arena*arena+overhead))
	}
	// Nobody needs a worker for this long; if one ends, its call is repeated elsewhere.
	set(unix.RLIMIT_CPU, 3600)
	set(unix.RLIMIT_CORE, 0)
	set(unix.RLIMIT_FSIZE, 0)
	set(unix.RLIMIT_NOFILE, 0) // open files stay open
}
