package disk

import "golang.org/x/sys/unix"

// unit is what blocks are counted in, in bytes. It is not how much is best written at once (Bsize), which a file system that
// another program serves may have much larger: a folder of the host in a container is on such a one.
func unit(st *unix.Statfs_t) uint64 {
	if st.Frsize > 0 {
		return uint64(st.Frsize)
	}
	return uint64(st.Bsize)
}
