package worker

import (
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// confine gives up what the process could reach, as far as the kernel has means for it,
// and bounds its memory. What fails leaves what the others bound.
func confine(memory int64) {
	// Before an administrator's processes the kernel is to end this one, when memory is short.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	limitResources(memory)
	// It refuses threads new rights too (no_new_privs), which is done all the same where
	// there is no Landlock.
	_ = landlock.V8.BestEffort().Restrict()
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
