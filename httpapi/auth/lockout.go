package auth

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLocked is the answer to who has guessed too often.
var ErrLocked = errors.New("account is temporarily locked due to multiple authentication failures")

// Lockout says what becomes of wrong passwords. The count goes by user, password salt and
// client address together: somebody who guesses locks nobody out but himself, and a
// new password starts anew.
type Lockout struct {
	Mode      string        // enforce, warn or off (enforce)
	Threshold int           // how many wrong passwords are one too many (5)
	Objects   int           // how many are counted at once (10,000)
	Lifetime  time.Duration // after how long a count is forgotten (5 minutes)
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

// lockouts counts wrong passwords.
type lockouts struct {
	some atomic.Bool // there may be counts: without any, right passwords need no lock

	mu     sync.Mutex // guards counts
	counts map[failureKey]failures
}

// failed counts a wrong password; the count ends with its age, however often it grows.
func (l *lockouts) failed(key failureKey, set Lockout, now time.Time) {
	if set.Mode == "off" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[failureKey]failures{}
	}
	f, known := l.counts[key]
	if !known || !now.Before(f.ends) {
		f = failures{ends: now.Add(set.Lifetime)}
		if len(l.counts) >= set.Objects {
			l.makeRoom(now)
		}
	}
	f.count++
	l.counts[key] = f
	l.some.Store(true)
}

// makeRoom forgets what is over, and if nothing is, the count that would end first. The
// caller holds mu.
func (l *lockouts) makeRoom(now time.Time) {
	var first failureKey
	var ends time.Time
	for key, f := range l.counts {
		if !now.Before(f.ends) {
			delete(l.counts, key)
		} else if ends.IsZero() || f.ends.Before(ends) {
			first, ends = key, f.ends
		}
	}
	if !ends.IsZero() {
		delete(l.counts, first)
	}
}

// reached tells whether there have been too many wrong passwords.
func (l *lockouts) reached(key failureKey, set Lockout, now time.Time) bool {
	if set.Mode == "off" || !l.some.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f, known := l.counts[key]
	if known && !now.Before(f.ends) {
		delete(l.counts, key)
		l.some.Store(len(l.counts) > 0)
		return false
	}
	return known && f.count >= set.Threshold
}
