package synchronize

import "time"

// way is how one direction is doing.
type way struct {
	state string     // running, waiting or retrying
	next  *time.Time // when it starts again, if it has stopped after an error
}

// setOut has all directions of a turn wait.
func (x *synchronization) setOut(directions []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ways = map[string]way{}
	for _, direction := range directions {
		x.ways[direction] = way{state: waiting}
	}
	x.tellWays()
}

// goes notes how the observed direction is doing.
func (o *observation) goes(w way) {
	o.noteWay(func(ways map[string]way) { ways[o.direction] = w })
}

// changes notes that the direction, if its state was from, is doing otherwise without having stopped.
func (o *observation) changes(from, to string) {
	o.noteWay(func(ways map[string]way) {
		if w := ways[o.direction]; w.state == from && w.next == nil {
			ways[o.direction] = way{state: to}
		}
	})
}

// done notes that the direction is done.
func (o *observation) done() {
	o.noteWay(func(ways map[string]way) { delete(ways, o.direction) })
}

func (o *observation) noteWay(change func(ways map[string]way)) {
	o.x.mu.Lock()
	defer o.x.mu.Unlock()
	if o.left {
		return
	}
	if change(o.x.ways); len(o.x.ways) > 0 { // else the turn says how it has ended
		o.x.tellWays()
	}
}

// leave ends the observation. A replication that ends by itself may tell of it later than its turn is over.
func (o *observation) leave() {
	o.x.mu.Lock()
	defer o.x.mu.Unlock()
	o.left = true
}

// tellWays makes one state of those of the directions. Trouble in one is not hidden by the other, and
// what waits in one is not what holds up the other. The lock is held.
func (x *synchronization) tellWays() {
	s := &x.status
	s.State, s.NextTry = waiting, nil
	for _, w := range x.ways {
		switch {
		case w.state == retrying:
			s.State = retrying
			if w.next != nil && (s.NextTry == nil || w.next.Before(*s.NextTry)) {
				s.NextTry = w.next
			}
		case w.state == running && s.State == waiting:
			s.State = running
		}
	}
	x.dirty = true
}
