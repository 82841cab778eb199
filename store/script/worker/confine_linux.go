package worker

import (
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// confine gives up what the process could reach, as far as the kernel allows, and limits its
// memory. If one step fails, the others still hold.
func confine(memory int64) {
	// If memory is short, the kernel should end this process before an administrator's.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	// The kernel keeps this for each thread. Tell all of them; later threads inherit it.
	_, _, _ = psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	_ = landlock.V8.BestEffort().Restrict()
	// This comes last, because telling all threads takes an open file if cgo is used.
	limitResources(memory)
}
