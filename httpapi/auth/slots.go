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
	maxWaitingHere = 64
	// maxRemembered is of how many it is remembered when they had their last turn.
	maxRemembered = 10_000
	// maxWait is how long anybody waits.
	maxWait = 30 * time.Second
)

// who is for whom a password is hashed: the address that the request comes from, and the
// name that it is about.
type who struct{ address, name string }

// slots gives one slot at a time to those who wait for it. One time it goes to the address
// that has been without it for the longest, and then to the name: whoever guesses many names
// from one address, or one name from many, leaves others every second turn.
type slots struct {
	mu      sync.Mutex // guards what follows
	taken   bool
	turn    uint64
	waiting []*waiter // in the order in which they came

	// The last turns of each; what is not there has had none.
	addresses, names map[string]uint64
	pairs            map[who]uint64
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
	if s.pairs == nil || len(s.pairs) >= maxRemembered {
		s.addresses, s.names, s.pairs = map[string]uint64{}, map[string]uint64{}, map[who]uint64{}
	}
	s.turn++
	s.taken, s.addresses[w.address], s.names[w.name], s.pairs[w] = true, s.turn, s.turn, s.turn
}

func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
}

// pass gives the slot to the next. The caller holds mu.
func (s *slots) pass() {
	if s.taken = false; len(s.waiting) == 0 {
		s.addresses, s.names, s.pairs = nil, nil, nil // there is nobody to be fair to
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

// before tells which of two has been without the slot for longer, by what this turn goes by.
func (s *slots) before(a, b who) bool {
	x, y := s.addresses[a.address], s.addresses[b.address]
	if s.turn%2 == 0 {
		x, y = s.names[a.name], s.names[b.name]
	}
	if x != y {
		return x < y
	}
	return s.pairs[a] < s.pairs[b]
}
