package pg

import (
	"sync/atomic"
	"time"
)

// figures are counted all the time.
type figures struct {
	trips   atomic.Int64
	tripped atomic.Int64 // ns
	retries atomic.Int64
	lag     atomic.Int64 // ns, of the last own notification that was heard
}

func (f *figures) roundTrip(took time.Duration) {
	f.trips.Add(1)
	f.tripped.Add(int64(took))
}

// heard notes how long a notification took.
func (f *figures) heard(lag time.Duration) { f.lag.Store(int64(lag)) }
