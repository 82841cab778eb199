package worker

import (
	"context"
	"slices"

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
// whose functions they call and who they are, so that it is of no use to ask often.
type slots struct {
	max   int
	share int // what one owner may have
	used  int
	by    map[string]int // used, by owner

	waiting map[turn][]*waiter
	turns   []turn // of those who wait, the next first
}

// turn is what slots go round by.
type turn struct{ owner, asker string }

// waiter waits for a slot.
type waiter struct{ granted chan struct{} }

func newSlots(most, share int) *slots {
	return &slots{max: most, share: share, by: map[string]int{}, waiting: map[turn][]*waiter{}}
}

// The methods are called with the pool's mutex held.

// take takes a slot if there is one that nobody waits for.
func (s *slots) take(owner string) bool {
	if s.used >= s.max || s.by[owner] >= s.share || slices.ContainsFunc(s.turns, func(t turn) bool { return t.owner == owner }) {
		return false
	}
	s.used++
	s.by[owner]++
	return true
}

func (s *slots) wait(t turn) *waiter {
	w := &waiter{make(chan struct{})}
	if len(s.waiting[t]) == 0 {
		s.turns = append(s.turns, t)
	}
	s.waiting[t] = append(s.waiting[t], w)
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
		t := s.turns[i]
		if s.by[t.owner] >= s.share {
			i++
			continue
		}
		w := s.waiting[t][0]
		s.remove(t, w)
		if len(s.waiting[t]) > 0 { // its next turn is after all others'
			s.turns = append(slices.Delete(s.turns, i, i+1), t)
		}
		s.used++
		s.by[t.owner]++
		close(w.granted)
		i = 0
	}
}

// remove takes somebody out who waits; false if he does not.
func (s *slots) remove(t turn, w *waiter) bool {
	i := slices.Index(s.waiting[t], w)
	if i < 0 {
		return false
	}
	if s.waiting[t] = slices.Delete(s.waiting[t], i, i+1); len(s.waiting[t]) == 0 {
		delete(s.waiting, t)
		s.turns = slices.DeleteFunc(s.turns, func(other turn) bool { return other == t })
	}
	return true
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
	p.mu.Unlock()
	asker := script.Asker(ctx)
	p.mu.Lock()
	if s.take(owner) {
		p.mu.Unlock()
		return nil
	}
	t := turn{owner, asker}
	w := s.wait(t)
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
	if !s.remove(t, w) { // it was granted meanwhile
		s.give(owner)
	}
	return err
}

func (p *Pool) unslot(c class, owner string) {
	p.mu.Lock()
	p.slots[c].give(owner)
	p.mu.Unlock()
}
