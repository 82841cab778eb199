package pg

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// gatherer has what is asked for while some round trips are under way go out together. It is in the next round trip, or in
// the one after that, so nobody waits longer for it.
type gatherer[T any] struct {
	eng    *Engine
	atOnce int           // round trips under way
	pace   time.Duration // they go out one after the other, but not if one takes longer: a connection may be dead
	most   int           // how many go together
	bytes  int           // and how much; a single one may be larger
	size   func(T) int
	// send sends some off. What it returns is closed when they are through.
	send func([]T) (through <-chan struct{})

	mu      sync.Mutex // guards what follows
	waiting []T
	wanted  int // of those that wait, from the first: start was called for them
	running int
}

// laterMost is how many wait for start at the most.
const laterMost = 16

// later has something go out with what comes next, or when start is called.
func (g *gatherer[T]) later(one T) {
	g.mu.Lock()
	g.waiting = append(g.waiting, one)
	many := len(g.waiting) >= laterMost
	g.mu.Unlock()
	if many {
		g.start()
	}
}

// start has what waits go out soon.
func (g *gatherer[T]) start() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted = len(g.waiting)
	if g.wanted > 0 && g.running < g.atOnce {
		g.running++
		g.eng.ending.Go(g.run)
	}
}

// add has something go out soon.
func (g *gatherer[T]) add(one T) {
	g.later(one)
	g.start()
}

// next takes those that go together. If nobody wants anything, the run is over: what waits for start would go out alone,
// and what start is called for after it.
func (g *gatherer[T]) next() []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wanted == 0 {
		g.running--
		return nil
	}
	n, size := 0, 0
	for ; n < min(len(g.waiting), g.most); n++ {
		if size += g.size(g.waiting[n]); n > 0 && size > g.bytes {
			break
		}
	}
	some := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.wanted = max(0, g.wanted-n)
	return some
}

// run sends off until nobody wants anything.
func (g *gatherer[T]) run() {
	for {
		runtime.Gosched() // others are about to come
		some := g.next()
		if len(some) == 0 {
			return
		}
		through := g.send(some)
		t := time.NewTimer(g.pace)
		select {
		case <-through:
		case <-t.C:
		}
		t.Stop()
	}
}
