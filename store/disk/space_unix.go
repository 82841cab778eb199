//go:build linux || darwin || freebsd

package disk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Of asks the system about the disk that a folder is on.
func Of(folder string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return Space{}, fmt.Errorf("ask how full the disk of %s is: %w", folder, err)
	}
	return spaceOf(&st), nil
}

// spaceOf is what the system's answer says.
func spaceOf(st *unix.Statfs_t) Space {
	unit := unit(st)
	free := uint64(max(int64(st.Bavail), 0))
	return Space{
		Used: (uint64(st.Blocks) - uint64(st.Bfree)) * unit, Free: free * unit,
		Root: (max(uint64(st.Bfree), free) - free) * unit,
	}
}
