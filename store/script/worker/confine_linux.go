package worker

import (
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// confine gives up what the process could reach, as far as the kernel has means for it,
// and bounds its memory. What fails leaves what the others bound.
func confine(memory int64) {
	// Before an administrator's processes the kernel is to end this one, when memory is short.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	// The kernel keeps that for each thread, so all have to be told, each later one inherits it.
	_, _, _ = psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	_ = landlock.V8.BestEffort().Restrict()
	// Last, for telling all threads takes an open file where cgo is used.
	limitResources(memory)
}
