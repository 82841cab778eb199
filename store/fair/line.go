package fair

import "container/heap"

// Key is who waits.
type Key struct{ Owner, Name string }

// Rule says who is next.
type Rule int

const (
	// Turns alternate between owners and names: an owner with many names, or a name used by
	// many owners, leaves others every second turn.
	Turns Rule = iota
	// Fewest picks the owner with the fewest running, then that owner's name with the fewest
	// running, then the first by Less.
	Fewest
)

// Line holds those who wait and those who run, by their keys. The zero Line has any number of
// slots. Its fields are set before use; Slots may change at any time. Its methods must not be
// called by several goroutines at once.
type Line[T any] struct {
	Slots int // how many may run at once; 0: any number
	Share int // how many of one owner may run; 0: as many as there are slots
	Rule  Rule
	// Less orders waiters of the same key; nil: in order of arrival.
	Less func(a, b T) bool

	owners, names map[string]*account
	pairs         map[Key]*pair[T]
	waiting       []*pair[T] // pairs with waiters, in no order
	running, len  int
	came          uint64 // how many have come
	stamp         uint64 // the last one handed out
	byName        bool   // the next turn goes by names
}

// account is the state of an owner or a name.
type account struct {
	running, waiting int
	stamp            uint64 // of two that wait, the lower one has waited longer for a turn
}

// pair holds the waiters of one key.
type pair[T any] struct {
	key         Key
	owner, name *account
	running     int
	at          int // in Line.waiting
	places      places[T]
}

// Place is where somebody waits.
type Place[T any] struct {
	line  *Line[T]
	pair  *pair[T] // nil: nobody is waiting there any more
	value T
	came  uint64
	at    int // in the heap
}

// Wait joins the line for a slot.
func (l *Line[T]) Wait(k Key, value T) *Place[T] {
	p := l.pair(k)
	for _, a := range []*account{p.owner, p.name} {
		if a.waiting++; a.waiting == 1 {
			l.last(a)
		}
	}
	if p.places.Len() == 0 {
		p.at = len(l.waiting)
		l.waiting = append(l.waiting, p)
	}
	l.came++
	l.len++
	place := &Place[T]{line: l, pair: p, value: value, came: l.came}
	heap.Push(&p.places, place)
	return place
}

// Leave gives up a place. It returns false if nobody is waiting there any more. p may be nil.
func (p *Place[T]) Leave() bool {
	if p == nil || p.pair == nil {
		return false
	}
	pair := p.pair
	p.line.remove(p)
	p.line.forget(pair)
	return true
}

// First returns who would be next. ok is false if nobody waits, or if there is no room for
// those who do.
func (l *Line[T]) First() (value T, ok bool) {
	if p := l.first(); p != nil {
		return p.places.all[0].value, true
	}
	return value, false
}

// Next gives a slot to the next waiter; Done must follow. ok is as for First.
func (l *Line[T]) Next() (value T, ok bool) {
	p := l.first()
	if p == nil {
		return value, false
	}
	place := p.places.all[0]
	l.remove(place)
	l.run(p)
	l.byName = !l.byName
	for _, a := range []*account{p.owner, p.name} {
		if a.waiting > 0 {
			l.last(a)
		}
	}
	return place.value, true
}

// Try takes a slot at once, if one is free that nobody waits for; Done must follow.
func (l *Line[T]) Try(k Key) bool {
	if l.full() || l.Share > 0 && l.Running(k.Owner) >= l.Share || l.first() != nil {
		return false
	}
	l.run(l.pair(k))
	return true
}

// Done gives back the slot of a key.
func (l *Line[T]) Done(k Key) {
	p := l.pairs[k]
	l.running--
	p.running--
	p.owner.running--
	p.name.running--
	l.forget(p)
}

// Len is how many are waiting.
func (l *Line[T]) Len() int { return l.len }

// Taken is how many are running.
func (l *Line[T]) Taken() int { return l.running }

// Owners is how many owners are running or waiting.
func (l *Line[T]) Owners() int { return len(l.owners) }

// Running is how many of an owner's are running.
func (l *Line[T]) Running(owner string) int {
	if a := l.owners[owner]; a != nil {
		return a.running
	}
	return 0
}

// Waiting is how many of an owner's are waiting.
func (l *Line[T]) Waiting(owner string) int {
	if a := l.owners[owner]; a != nil {
		return a.waiting
	}
	return 0
}

// Short reports whether some owner is waiting with fewer than share running.
func (l *Line[T]) Short(share int) bool {
	for _, p := range l.waiting {
		if p.owner.running < share {
			return true
		}
	}
	return false
}

func (l *Line[T]) full() bool { return l.Slots > 0 && l.running >= l.Slots }

// first is the pair with the next turn, nil if none can have it.
func (l *Line[T]) first() (best *pair[T]) {
	if l.full() {
		return nil
	}
	for _, p := range l.waiting {
		if l.Share > 0 && p.owner.running >= l.Share {
			continue
		}
		if best == nil || l.before(p, best) {
			best = p
		}
	}
	return best
}

func (l *Line[T]) before(a, b *pair[T]) bool {
	if l.Rule == Fewest {
		if a.owner.running != b.owner.running {
			return a.owner.running < b.owner.running
		}
		if a.running != b.running {
			return a.running < b.running
		}
		return b.places.all[0].after(a.places.all[0])
	}
	x, y := [2]uint64{a.owner.stamp, a.name.stamp}, [2]uint64{b.owner.stamp, b.name.stamp}
	if l.byName {
		x[0], x[1], y[0], y[1] = x[1], x[0], y[1], y[0]
	}
	if x[0] != y[0] {
		return x[0] < y[0]
	}
	return x[1] < y[1]
}

// last puts an account behind all others.
func (l *Line[T]) last(a *account) {
	l.stamp++
	a.stamp = l.stamp
}

func (l *Line[T]) run(p *pair[T]) {
	l.running++
	p.running++
	p.owner.running++
	p.name.running++
}

// remove takes out a place; forget must follow, unless the pair is running.
func (l *Line[T]) remove(place *Place[T]) {
	p := place.pair
	heap.Remove(&p.places, place.at)
	place.pair = nil
	l.len--
	p.owner.waiting--
	p.name.waiting--
	if p.places.Len() == 0 {
		end := len(l.waiting) - 1
		l.waiting[p.at] = l.waiting[end]
		l.waiting[p.at].at = p.at
		l.waiting[end] = nil
		l.waiting = l.waiting[:end]
	}
}

// pair finds or makes the pair of a key.
func (l *Line[T]) pair(k Key) *pair[T] {
	if p := l.pairs[k]; p != nil {
		return p
	}
	if l.pairs == nil {
		l.owners, l.names, l.pairs = map[string]*account{}, map[string]*account{}, map[Key]*pair[T]{}
	}
	p := &pair[T]{key: k, owner: accountOf(l.owners, k.Owner), name: accountOf(l.names, k.Name)}
	l.pairs[k] = p
	return p
}

func accountOf(m map[string]*account, name string) *account {
	a := m[name]
	if a == nil {
		a = &account{}
		m[name] = a
	}
	return a
}

// forget drops a pair that has nobody running and nobody waiting.
func (l *Line[T]) forget(p *pair[T]) {
	if p.running > 0 || p.places.Len() > 0 {
		return
	}
	delete(l.pairs, p.key)
	if p.owner.running+p.owner.waiting == 0 {
		delete(l.owners, p.key.Owner)
	}
	if p.name.running+p.name.waiting == 0 {
		delete(l.names, p.key.Name)
	}
}

// after reports whether one place of a line comes after another.
func (p *Place[T]) after(other *Place[T]) bool {
	if less := p.line.Less; less != nil {
		if less(other.value, p.value) {
			return true
		}
		if less(p.value, other.value) {
			return false
		}
	}
	return other.came < p.came
}

// places is a heap.
type places[T any] struct{ all []*Place[T] }

func (h *places[T]) Len() int           { return len(h.all) }
func (h *places[T]) Less(i, k int) bool { return h.all[k].after(h.all[i]) }

func (h *places[T]) Swap(i, k int) {
	h.all[i], h.all[k] = h.all[k], h.all[i]
	h.all[i].at, h.all[k].at = i, k
}

func (h *places[T]) Push(x any) {
	p := x.(*Place[T])
	p.at = len(h.all)
	h.all = append(h.all, p)
}

func (h *places[T]) Pop() any {
	end := len(h.all) - 1
	p := h.all[end]
	h.all[end] = nil
	h.all = h.all[:end]
	return p
}
