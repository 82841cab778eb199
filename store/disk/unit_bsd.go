//go:build darwin || freebsd

package disk

import "golang.org/x/sys/unix"

// unit is what blocks are counted in, in bytes.
func unit(st *unix.Statfs_t) uint64 { return uint64(st.Bsize) }
