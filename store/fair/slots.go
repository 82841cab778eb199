package fair

import (
	"context"
	"errors"
	"sync"
	"time"
)

var (
	// ErrBusy says that too many are already waiting, or that a caller has waited too long.
	ErrBusy = errors.New("too many are waiting")
	// ErrClosed says that the slots are closed.
	ErrClosed = errors.New("nobody is served any more")
)

// Options configure Slots.
type Options struct {
	Slots       int           // how many may run at once; 0: any number
	Share       int           // how many of one owner may run; 0: as many as there are slots
	Waiting     int           // how many may wait at once; 0: any number
	WaitingEach int           // how many of one owner may wait at once; 0: any number
	Longest     time.Duration // how long anybody waits; 0: as long as the context lasts
}

// Slots are taken by goroutines, in turns. The methods may be called from any goroutine.
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

// Enter waits for a slot. leave returns it and must be called once. The error is ErrBusy,
// ErrClosed, or what ended the context.
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

// queue grants a slot at once, without a place, or returns a place to wait at.
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

// done returns a slot, and passes it to the next waiter. The caller holds mu.
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

// Close turns away everybody who waits or comes later. It does not wait for slots to be
// returned.
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

// Waiting is how many are waiting.
func (s *Slots) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line.Len()
}
