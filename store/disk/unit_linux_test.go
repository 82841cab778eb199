package disk

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Blocks are counted in fragments, however much the file system likes to be written at once.
func TestSpaceIsCountedInFragments(t *testing.T) {
	st := unix.Statfs_t{Bsize: 1 << 20, Frsize: 4096, Blocks: 1000, Bfree: 300, Bavail: 200}
	if got, want := spaceOf(&st), (Space{Used: 700 * 4096, Free: 200 * 4096, Root: 100 * 4096}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	st.Frsize = 0 // an old system that knows no fragments
	if got, want := spaceOf(&st), (Space{Used: 700 << 20, Free: 200 << 20, Root: 100 << 20}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
