package worker

import (
	"context"

	"github.com/tododb/tododb/store/script"
)

// class is a kind of calls that has slots of its own, so that one kind does not have
// another wait.
type class int

const (
	single   class = iota // validation, filters, updates, shows, rewrites, checks
	building              // maps and reduces
	listing               // lists, which may take as long as their client
	classes  int   = iota
)

// slots bound how many calls of a class run at once. Those who wait are served by turns of
// their owners, so that it is of no use to ask often.
type slots struct {
	max   int
	share int // what one owner may have
	used  int
	by    map[string]int // used, by owner

	waiting map[string][]*waiter
	turns   []string // owners that wait, the next first
}

// waiter waits for a slot.
type waiter struct{ granted chan struct{} }

func newSlots(most, share int) *slots {
	return &slots{max: most, share: share, by: map[string]int{}, waiting: map[string][]*waiter{}}
}

// The methods are called with the pool's mutex held.

// take takes a slot if there is one and nobody waits whose it could be.
func (s *slots) take(owner string) bool {
	if s.used >= s.max || s.by[owner] >= s.share || len(s.waiting[owner]) > 0 {
		return false
	}
	s.used++
	s.by[owner]++
	return true
}

func (s *slots) wait(owner string) *waiter {
	w := &waiter{make(chan struct{})}
	if len(s.waiting[owner]) == 0 {
		s.turns = append(s.turns, owner)
	}
	s.waiting[owner] = append(s.waiting[owner], w)
	return w
}

// give gives a slot back and grants those that are free.
func (s *slots) give(owner string) {
	s.used--
	if s.by[owner]--; s.by[owner] == 0 {
		delete(s.by, owner)
	}
	s.grant()
}

func (s *slots) grant() {
	for i := 0; i < len(s.turns) && s.used < s.max; {
		owner := s.turns[i]
		if s.by[owner] >= s.share {
			i++
			continue
		}
		w := s.waiting[owner][0]
		s.remove(owner, w)
		if len(s.waiting[owner]) > 0 { // its next turn is after all others'
			s.turns = append(append(s.turns[:i:i], s.turns[i+1:]...), owner)
		}
		s.used++
		s.by[owner]++
		close(w.granted)
		i = 0
	}
}

// remove takes somebody out who waits; false if he does not.
func (s *slots) remove(owner string, w *waiter) bool {
	list := s.waiting[owner]
	for i := range list {
		if list[i] != w {
			continue
		}
		if list = append(list[:i:i], list[i+1:]...); len(list) > 0 {
			s.waiting[owner] = list
			return true
		}
		delete(s.waiting, owner)
		for j := range s.turns {
			if s.turns[j] == owner {
				s.turns = append(s.turns[:j:j], s.turns[j+1:]...)
				break
			}
		}
		return true
	}
	return false
}

// slot waits for a slot of a class.
func (p *Pool) slot(ctx context.Context, c class, owner string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return script.ErrClosed
	}
	s := p.slots[c]
	if s.take(owner) {
		p.mu.Unlock()
		return nil
	}
	w := s.wait(owner)
	p.mu.Unlock()
	var err error
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.closing:
		err = script.ErrClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.remove(owner, w) { // it was granted meanwhile
		s.give(owner)
	}
	return err
}

func (p *Pool) unslot(c class, owner string) {
	p.mu.Lock()
	p.slots[c].give(owner)
	p.mu.Unlock()
}
