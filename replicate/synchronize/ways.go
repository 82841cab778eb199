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

// goes notes how a direction is doing.
func (x *synchronization) goes(direction string, w way) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ways[direction] = w
	x.tellWays()
}

// changes notes that a direction whose state was from is doing otherwise, without having stopped.
func (x *synchronization) changes(direction, from, to string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if w := x.ways[direction]; w.state == from && w.next == nil {
		x.ways[direction] = way{state: to}
		x.tellWays()
	}
}

// gone notes that a direction is done.
func (x *synchronization) gone(direction string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if delete(x.ways, direction); len(x.ways) > 0 {
		x.tellWays()
	}
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
