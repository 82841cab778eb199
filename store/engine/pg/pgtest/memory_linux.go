package pgtest

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// roomy is how much memory there has to be for the files of servers: some of them run at once.
const roomy = 4 << 30

// inMemory is a folder whose files are in memory, or "" where there is none or little room. To make and
// remove the thousand files of a server costs less there, and nobody waits for a disk.
func inMemory() string {
	const folder = "/dev/shm"
	var system unix.Statfs_t
	if unix.Statfs(folder, &system) != nil || system.Type != unix.TMPFS_MAGIC || unix.Access(folder, unix.W_OK) != nil {
		return ""
	}
	memory, _ := os.ReadFile("/proc/meminfo")
	_, rest, _ := strings.Cut(string(memory), "MemAvailable:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if available, _ := strconv.ParseUint(kib, 10, 64); available<<10 < roomy || system.Bavail*uint64(system.Bsize) < roomy {
		return ""
	}
	return folder
}
