package health

import "golang.org/x/sys/unix"

func fileSystem(folder string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return "", err
	}
	return unix.ByteSliceToString(st.Fstypename[:]), nil
}

func fileNodes(folder string) (free, all uint64, err error) {
	var st unix.Statfs_t
	err = unix.Statfs(folder, &st)
	return st.Ffree, st.Files, err
}
