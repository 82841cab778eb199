package store_test

import (
	"testing"
	"time"

	"github.com/tododb/tododb/store/storetest"
)

// A clock that is set back, or was ahead for a while, ends no tombstone before its time. It may stay
// for as long as the clock was wrong, and ends then.
func TestTombstonesWhenTheClockIsWrong(t *testing.T) {
	t.Parallel()
	for name, open := range storetest.Engines {
		t.Run(name, func(t *testing.T) {
			db, clock := mortal(t, open(t))
			buried := func(id string) {
				rev := put(t, db, `{"_id":%q}`, id)
				put(t, db, `{"_id":%q,"_rev":%q,"_deleted":true}`, id, rev)
			}
			const year = 365 * 24 * time.Hour
			for _, step := range []struct {
				what    string
				forward time.Duration
				bury    string
				ended   int
			}{
				{"at first", 0, "a", 0},
				{"set back", -time.Hour, "b", 0},
				{"set right", time.Hour, "", 0},
				{"after the time to live", 2 * time.Minute, "", 2},
				{"ahead by years", 10 * year, "c", 0},
				{"set right again", -10 * year, "d", 0},
				{"long after", 10 * time.Minute, "", 0},
				{"when it is as late as it was thought to be", 10 * year, "", 2},
			} {
				clock.forward(step.forward)
				if step.bury != "" {
					buried(step.bury)
				}
				if n := expire(t, db); n != step.ended {
					t.Errorf("%s %d tombstones end, want %d", step.what, n, step.ended)
				}
			}
		})
	}
}
