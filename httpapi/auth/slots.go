package auth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrBusy says that a password could not be hashed, since too many others are waiting.
var ErrBusy = errors.New("too many passwords are being verified")

const (
	// maxWaiting is how many may wait for a slot at once, and maxWaitingHere how many of one
	// address.
	maxWaiting     = 1024
	maxWaitingHere = 256
	// maxWait is how long anybody waits.
	maxWait = 30 * time.Second
)

// who is for whom a password is hashed: the address that the request comes from, and the
// name that it is about.
type who struct{ address, name string }

// slots gives one slot at a time to those who wait for it. Addresses take turns, however
// many requests each of them has, and so do the names that one address asks for: who guesses
// makes others wait no longer than for one more hash.
type slots struct {
	mu      sync.Mutex // guards what follows
	taken   bool
	turn    uint64
	served  map[who]uint64 // the last turn of an address (with an empty name), and of a name from it
	waiting []*waiter      // in the order in which they came
}

type waiter struct {
	who  who
	turn chan struct{} // closed when it has the slot
}

// enter waits for the slot; leave must follow. ErrBusy, or that ctx has ended.
func (s *slots) enter(ctx context.Context, w who) (leave func(), err error) {
	s.mu.Lock()
	if !s.taken {
		s.take(w)
		s.mu.Unlock()
		return s.leave, nil
	}
	here := 0
	for _, other := range s.waiting {
		if other.who.address == w.address {
			here++
		}
	}
	if here >= maxWaitingHere || len(s.waiting) >= maxWaiting {
		s.mu.Unlock()
		return nil, ErrBusy
	}
	mine := &waiter{w, make(chan struct{})}
	s.waiting = append(s.waiting, mine)
	s.mu.Unlock()
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case <-mine.turn:
		return s.leave, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = ErrBusy
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.waiting {
		if other == mine {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return nil, err
		}
	}
	s.pass() // it came at the same moment
	return nil, err
}

// take gives the slot to somebody. The caller holds mu.
func (s *slots) take(w who) {
	if s.served == nil {
		s.served = map[who]uint64{}
	}
	s.turn++
	s.taken, s.served[who{address: w.address}], s.served[w] = true, s.turn, s.turn
}

func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
}

// pass gives the slot to whose address, and then whose name, has been without it for the
// longest. The caller holds mu.
func (s *slots) pass() {
	if s.taken = false; len(s.waiting) == 0 {
		clear(s.served) // there is nobody to be fair to
		return
	}
	next := 0
	for i, w := range s.waiting {
		if s.before(w.who, s.waiting[next].who) {
			next = i
		}
	}
	w := s.waiting[next]
	s.waiting = append(s.waiting[:next], s.waiting[next+1:]...)
	s.take(w.who)
	close(w.turn)
}

func (s *slots) before(a, b who) bool {
	if x, y := s.served[who{address: a.address}], s.served[who{address: b.address}]; x != y {
		return x < y
	}
	return s.served[a] < s.served[b]
}
