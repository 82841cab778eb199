package auth

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// ErrLocked says that there have been too many wrong passwords.
var ErrLocked = errors.New("account is temporarily locked due to multiple authentication failures")

// Lockout says what happens after wrong passwords. They are counted by user, password salt
// and client address together. So people who guess lock out only themselves, and a new
// password starts a new count.
type Lockout struct {
	Mode      string        // enforce, warn or off (enforce)
	Threshold int           // this many wrong passwords are too many (5)
	Objects   int           // how many counts are kept (10,000)
	Lifetime  time.Duration // how long a count is kept (5 minutes)
}

func (l Lockout) complete() Lockout {
	setDefault(&l.Mode, "enforce")
	setDefault(&l.Threshold, 5)
	setDefault(&l.Objects, 10_000)
	setDefault(&l.Lifetime, 5*time.Minute)
	return l
}

type failureKey struct{ address, name, salt string }

type failures struct {
	count int
	ends  time.Time
}

// lockouts counts wrong passwords. If there is no room for another count, the one that nobody
// has guessed at for the longest time is dropped.
type lockouts struct {
	some atomic.Bool // there may be counts; without any, right passwords need no lock

	mu     sync.Mutex // guards what follows
	counts *simplelru.LRU[failureKey, failures]
	room   int // for this many counts
}

// failed counts a wrong password. A count ends at its age, however often it grows.
func (l *lockouts) failed(key failureKey, set Lockout, now time.Time) {
	if set.Mode == "off" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fit(max(set.Objects, 1))
	f, known := l.counts.Peek(key)
	if !known || !now.Before(f.ends) {
		f = failures{ends: now.Add(set.Lifetime)}
	}
	f.count++
	l.counts.Add(key, f)
	l.some.Store(true)
}

// fit makes room for this many counts. The caller holds mu.
func (l *lockouts) fit(room int) {
	if l.counts == nil {
		l.counts, _ = simplelru.NewLRU[failureKey, failures](room, nil) // it fails only for a size below 1
	} else if l.room != room {
		l.counts.Resize(room)
	}
	l.room = room
}

// reached tells whether there have been too many wrong passwords.
func (l *lockouts) reached(key failureKey, set Lockout, now time.Time) bool {
	if set.Mode == "off" || !l.some.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		return false
	}
	f, known := l.counts.Peek(key)
	if known && !now.Before(f.ends) {
		l.counts.Remove(key)
		l.some.Store(l.counts.Len() > 0)
		return false
	}
	return known && f.count >= set.Threshold
}
