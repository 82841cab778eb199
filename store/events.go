package store

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
)

// Event is the last thing that happened to a database.
type Event struct {
	DB   string
	Type string // "created", "updated" or "deleted"
	Seq  uint64 // of this event among all databases
}

// Events is the feed of what happens to the databases of a store. It holds one event for each
// database, the latest, in memory. After a restart it has another Instance. A reader that comes
// with a place in the old one is told of every database anew, so that it misses nothing.
type Events struct {
	instance string

	mu     sync.Mutex // guards what follows
	seq    uint64
	latest map[string]Event
	wake   chan struct{} // closed at the next event
}

func newEvents() *Events {
	id := make([]byte, 8)
	rand.Read(id)
	return &Events{instance: hex.EncodeToString(id), latest: map[string]Event{}, wake: make(chan struct{})}
}

// Instance names this run of the feed.
func (e *Events) Instance() string { return e.instance }

func (e *Events) add(db, what string) {
	if Hidden(db) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seq++
	e.latest[db] = Event{DB: db, Type: what, Seq: e.seq}
	close(e.wake)
	e.wake = make(chan struct{})
}

// Since returns the events after n in order, the number of the newest, and a channel that is
// closed when a newer one comes.
func (e *Events) Since(n uint64) (evs []Event, last uint64, wait <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n < e.seq {
		for _, ev := range e.latest {
			if ev.Seq > n {
				evs = append(evs, ev)
			}
		}
		slices.SortFunc(evs, func(a, b Event) int { return int(int64(a.Seq) - int64(b.Seq)) })
	}
	return evs, e.seq, e.wake
}
