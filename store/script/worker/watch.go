package worker

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// watch checks the workers that are in calls. It ends those that take too much, whose callers
// are gone, or that have been idle for long.
type watch struct {
	pool   *Pool
	asleep atomic.Bool
	wake   chan struct{}
}

const (
	watchEvery = 5 * time.Millisecond
	restEvery  = time.Second // when nobody is in a call
	restAfter  = 20          // looks in a row without a call

	// patience is how many times its time limit a call gets on a busy machine.
	patience = 4
)

func newWatch(p *Pool) *watch { return &watch{pool: p, wake: make(chan struct{}, 1)} }

// awake makes the watch look often.
func (v *watch) awake() {
	if v.asleep.Load() {
		select {
		case v.wake <- struct{}{}:
		default:
		}
	}
}

// run returns when the pool closes.
func (v *watch) run() {
	quiet := 0
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	rested := time.Now()
	for {
		select {
		case <-tick.C:
		case <-v.wake:
		case <-v.pool.closing:
			return
		}
		busy := v.look()
		if now := time.Now(); now.Sub(rested) >= restEvery {
			v.pool.dropIdle(now)
			rested = now
		}
		switch {
		case busy:
			if v.asleep.Swap(false) {
				tick.Reset(watchEvery)
			}
			quiet = 0
		case quiet > restAfter && !v.asleep.Load():
			v.asleep.Store(true)
			tick.Reset(min(restEvery, max(v.pool.opt.Idle/4, watchEvery)))
		default:
			quiet++
		}
	}
}

// look judges every worker; busy reports whether any is in a call.
func (v *watch) look() (busy bool) {
	p := v.pool
	p.mu.Lock()
	all := make([]*process, 0, len(p.all))
	for w := range p.all {
		all = append(all, w)
	}
	p.mu.Unlock()
	var total int64
	type working struct {
		w    *process
		turn uint64
	}
	var calls []working
	for _, w := range all {
		if cause(w.cause.Load()) != unasked {
			continue
		}
		if turn := v.judge(w); turn != 0 {
			busy = true
			calls = append(calls, working{w, turn})
		}
		total += w.size.Load()
	}
	if total <= p.opt.TotalMemory {
		return busy
	}
	p.mu.Lock()
	dropped := p.dropOldest()
	p.mu.Unlock()
	if !dropped && len(calls) > 0 {
		largest := slices.MaxFunc(calls, func(a, b working) int { return cmp.Compare(a.w.size.Load(), b.w.size.Load()) })
		largest.w.killIn(largest.turn, overBudget)
	}
	return busy
}

// judge checks one worker, and returns the turn of the call that it is in, 0 if it is in none. The call may end
// meanwhile, and the next one begin: what is found then is not that one's fault.
func (v *watch) judge(w *process) (turn uint64) {
	w.mu.Lock()
	ctx, began, turn, before, known := w.ctx, w.began, w.turn, w.cpu, w.known
	w.mu.Unlock()
	if began.IsZero() {
		return 0
	}
	if ctx.Err() != nil {
		w.killIn(turn, withdrawn)
		return turn
	}
	opt := &v.pool.opt
	ran := time.Since(began)
	if ran < watchEvery {
		return turn
	}
	if n, ok := w.meter.size(); ok {
		w.size.Store(n)
		if n > opt.Memory {
			w.killIn(turn, tooLarge)
			return turn
		}
	}
	cpu, measured := w.meter.cpu()
	if !known {
		w.mu.Lock()
		if w.turn == turn {
			w.cpu, w.known = cpu, true
		}
		w.mu.Unlock()
		before = cpu
	}
	if ran >= opt.Timeout && (!measured || cpu-before >= opt.Timeout*9/10 || ran >= patience*opt.Timeout) {
		w.killIn(turn, timedOut)
	}
	return turn
}

// dropIdle ends workers that have been unused for long.
func (p *Pool) dropIdle(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, list := range []*[]*process{&p.idle, &p.spare} {
		*list = slices.DeleteFunc(*list, func(w *process) bool {
			old := now.Sub(w.last) >= p.opt.Idle
			if old {
				w.kill(retired)
			}
			return old
		})
	}
}
