package pg

import (
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// figures are counted all the time.
type figures struct {
	trips   atomic.Int64
	tripped atomic.Int64 // ns
	retries atomic.Int64
	unknown atomic.Int64
	locks   atomic.Int64
	locked  atomic.Int64 // ns
	lag     atomic.Int64 // ns
}

func (f *figures) roundTrip(took time.Duration) {
	f.trips.Add(1)
	f.tripped.Add(int64(took))
}

// lockWait notes how long the round trip took that brought a writer's lock.
func (f *figures) lockWait(took time.Duration) {
	f.locks.Add(1)
	f.locked.Add(int64(took))
}

// heard notes how long a notification took.
func (f *figures) heard(lag time.Duration) { f.lag.Store(int64(lag)) }

// Figures say how an Engine fares with its server. All but the connections and the lag only grow.
type Figures struct {
	RoundTrips     int64
	RoundTripsTook time.Duration
	Locks          int64         // round trips in which a writer got the lock of a database
	LocksTook      time.Duration // and how long they took, with the wait for other processes
	Retries        int64         // of what failed for a passing reason
	Unknown        int64         // commits whose outcome was not known
	// Connections that there are, that are in use, and that may be at most.
	Connections, InUse, MaxConnections int
	// Waits is how often a connection had to be waited for, and Waited for how long.
	Waits  int64
	Waited time.Duration
	// Listens tells whether notifications of other processes are heard. ListenerLag is how long the last
	// own one took to come back, 0 if none has.
	Listens     bool
	ListenerLag time.Duration
}

// Figures returns the figures as they are.
func (e *Engine) Figures() Figures {
	f := Figures{
		RoundTrips: e.figures.trips.Load(), RoundTripsTook: time.Duration(e.figures.tripped.Load()),
		Locks: e.figures.locks.Load(), LocksTook: time.Duration(e.figures.locked.Load()),
		Retries: e.figures.retries.Load(), Unknown: e.figures.unknown.Load(), ListenerLag: time.Duration(e.figures.lag.Load()),
	}
	for _, pool := range []*pgxpool.Pool{e.readers, e.writers} {
		s := pool.Stat()
		f.Connections += int(s.TotalConns())
		f.InUse += int(s.AcquiredConns())
		f.MaxConnections += int(s.MaxConns())
		f.Waits += s.EmptyAcquireCount()
		f.Waited += s.EmptyAcquireWaitTime()
	}
	e.news.mu.Lock()
	defer e.news.mu.Unlock()
	f.Listens = e.news.listens && !e.news.deaf
	return f
}
