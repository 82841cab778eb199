package repository

import (
	"testing"
	"time"
)

// Backups that follow changes replace one another. What the replaced ones have stored is freed before it is
// much more than what stays, also without rules that forget backups.
func TestFollowingFreesWhatItReplaces(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		u    upkeep
		want bool
	}{
		{upkeep{last: now, stored: 100 << 20, size: 1 << 20}, false},
		{upkeep{last: now, stored: 300 << 20, size: 1 << 20}, true},
		{upkeep{last: now, stored: 300 << 20, size: 2 << 30}, false},
		{upkeep{last: now, stored: 3 << 30, size: 2 << 30}, true},
		{upkeep{last: now.Add(-2 * time.Hour)}, true},
	} {
		if got := c.u.due(now); got != c.want {
			t.Errorf("%+v: %t", c.u, got)
		}
	}
}
