package fair

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// ErrBusy says that too many wait already, or that somebody has waited for too long.
	ErrBusy = errors.New("too many are waiting")
	// ErrClosed says that the slots are closed.
	ErrClosed = errors.New("nobody is served any more")
)

// Options say what Slots there are.
type Options struct {
	Slots       int           // how many may run at once; 0: any number
	Share       int           // how many of one owner may; 0: as many as there are slots
	Waiting     int           // how many may wait at once; 0: any number
	WaitingEach int           // how many of one owner may wait at once; 0: any number
	Longest     time.Duration // how long anybody waits; 0: as long as the context lasts
}

// Slots are what goroutines wait for by turns. Its methods may be called from any number of
// goroutines.
type Slots struct {
	opt     Options
	closing chan struct{}

	mu     sync.Mutex // guards what follows
	closed bool
	line   Line[chan struct{}] // closed when the slot is there
}

// New makes Slots.
func New(opt Options) *Slots {
	s := &Slots{opt: opt, closing: make(chan struct{})}
	s.line.Slots, s.line.Share = opt.Slots, opt.Share
	return s
}

// Enter waits for a slot; leave, which must be called once, gives it back. Errors: ErrBusy,
// ErrClosed, and what ended the context.
func (s *Slots) Enter(ctx context.Context, k Key) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	granted, place, err := s.queue(k)
	if err != nil {
		return nil, err
	}
	leave = func() { s.leave(k) }
	if place == nil {
		return leave, nil
	}
	var late <-chan time.Time
	if s.opt.Longest > 0 {
		timer := time.NewTimer(s.opt.Longest)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-granted:
		return leave, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.closing:
		err = ErrClosed
	case <-late:
		err = ErrBusy
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !place.Leave() { // the slot came at the same moment
		s.done(k)
	}
	return nil, err
}

// queue gives a slot at once, without a place, or a place to wait at.
func (s *Slots) queue(k Key) (granted chan struct{}, place *Place[chan struct{}], err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, nil, ErrClosed
	case s.line.Try(k):
		return nil, nil, nil
	case s.opt.Waiting > 0 && s.line.Len() >= s.opt.Waiting, s.opt.WaitingEach > 0 && s.line.Waiting(k.Owner) >= s.opt.WaitingEach:
		return nil, nil, ErrBusy
	}
	granted = make(chan struct{})
	return granted, s.line.Wait(k, granted), nil
}

func (s *Slots) leave(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done(k)
}

// done gives a slot back, and to whoever is next. The caller holds mu.
func (s *Slots) done(k Key) {
	s.line.Done(k)
	for {
		granted, ok := s.line.Next()
		if !ok {
			return
		}
		close(granted)
	}
}

// Close sends away all who wait, and all who come later. It does not wait for who has a slot.
func (s *Slots) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
}

// Taken is how many slots are taken.
func (s *Slots) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line.Taken()
}

// Waiting is how many wait.
func (s *Slots) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line.Len()
}
