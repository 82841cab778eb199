package disk_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tododb/tododb/store/disk"
)

// Thresholds are shares of the disk in use; the system is asked now and then, and what it cannot tell
// refuses nothing.
func TestGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		used, failure := uint64(85), error(nil)
		g := disk.New(disk.Options{Folder: "folder", Of: func(folder string) (disk.Space, error) {
			if asked++; folder != "folder" {
				t.Errorf("asked about %q", folder)
			}
			return disk.Space{Used: used << 30, Free: (100 - used) << 30}, failure
		}})
		wants := func(background, queries, writes bool) {
			t.Helper()
			if b, q, w := g.NoRoomForBackground(), g.NoRoomForQueries(), g.NoRoomForWrites(); b != background || q != queries || w != writes {
				t.Errorf("%d%%, %v: no room for the background %v, queries %v, writes %v", used, failure, b, q, w)
			}
		}
		wants(false, false, false)
		if asked != 0 {
			t.Error("it is not enabled, and has asked")
		}
		g.SetThresholds(disk.Thresholds{Enabled: true, Background: 80, Queries: 90, Writes: 95})
		wants(true, false, false)
		used = 96
		wants(true, false, false) // it has just asked
		if asked != 1 {
			t.Errorf("it has asked %d times", asked)
		}
		time.Sleep(10 * time.Second)
		wants(true, true, true)
		g.SetThresholds(disk.Thresholds{Enabled: true, Background: 80, Queries: 90, Writes: 96})
		wants(true, true, false) // above, not at
		failure = errors.New("no answer")
		time.Sleep(10 * time.Second)
		wants(false, false, false)
		if _, err := g.Space(); err == nil {
			t.Error("the error is lost")
		}
	})
	if space, err := disk.Of(t.TempDir()); err != nil || space.Used == 0 || space.Percent() <= 0 || space.Percent() > 100 {
		t.Errorf("this disk: %+v, %v", space, err)
	}
}
