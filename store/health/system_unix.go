//go:build unix

package health

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// owned tells whether this process's user owns a file, and who does. Root owns all.
func owned(info fs.FileInfo) (mine bool, owner string) {
	st, is := info.Sys().(*syscall.Stat_t)
	if !is {
		return true, ""
	}
	return os.Geteuid() == 0 || int(st.Uid) == os.Geteuid(), strconv.Itoa(int(st.Uid))
}

// descriptors is how many files this process may open. The Go runtime raises the soft limit to the hard one.
func descriptors() (uint64, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur), err
}
