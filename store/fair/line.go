package fair

import "container/heap"

// Key is who waits.
type Key struct{ Owner, Name string }

// Rule says who of those who wait is next.
type Rule int

const (
	// Turns go round by owners one time and by names the next: an owner with many names,
	// or a name that comes from many owners, leaves others every second turn.
	Turns Rule = iota
	// Fewest is the owner who has the fewest running, and of that owner's names the one that
	// has; then whoever comes first by Less.
	Fewest
)

// Line is those who wait and those who run, by their keys. The zero Line has any number of
// slots. Its fields are set before it is used; Slots may change at any time. Its methods are
// not for several goroutines at once.
type Line[T any] struct {
	Slots int // how many may run at once; 0: any number
	Share int // how many of one owner may; 0: as many as there are slots
	Rule  Rule
	// Less orders those of one key; nil: as they came.
	Less func(a, b T) bool

	owners, names map[string]*account
	pairs         map[Key]*pair[T]
	waiting       []*pair[T] // those of which somebody waits, in no order
	running, len  int
	came          uint64 // how many have come
	stamp         uint64 // the last that was given out
	byName        bool   // the next turn goes by names
}

// account is what an owner or a name has.
type account struct {
	running, waiting int
	stamp            uint64 // of two who wait, the lower one has been without a turn for longer
}

// pair is those of one key.
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
	pair  *pair[T] // nil: nobody waits there any more
	value T
	came  uint64
	at    int // in the heap
}

// Wait lets somebody wait for a slot.
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

// Leave gives up a place; false if nobody waits there any more. It may be nil.
func (p *Place[T]) Leave() bool {
	if p == nil || p.pair == nil {
		return false
	}
	pair := p.pair
	p.line.remove(p)
	p.line.forget(pair)
	return true
}

// First is whoever would be next; false: nobody waits, or there is no room for those who do.
func (l *Line[T]) First() (value T, ok bool) {
	if p := l.first(); p != nil {
		return p.places.all[0].value, true
	}
	return value, false
}

// Next gives a slot to whoever is next; Done must follow. False as for First.
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

// Try gives somebody a slot at once, if there is one that nobody waits for; Done must follow.
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

// Len is how many wait.
func (l *Line[T]) Len() int { return l.len }

// Taken is how many run.
func (l *Line[T]) Taken() int { return l.running }

// Owners is how many owners run something, or wait.
func (l *Line[T]) Owners() int { return len(l.owners) }

// Running is how many of an owner run.
func (l *Line[T]) Running(owner string) int {
	if a := l.owners[owner]; a != nil {
		return a.running
	}
	return 0
}

// Waiting is how many of an owner wait.
func (l *Line[T]) Waiting(owner string) int {
	if a := l.owners[owner]; a != nil {
		return a.waiting
	}
	return 0
}

// Short tells whether an owner waits of whom fewer than share run.
func (l *Line[T]) Short(share int) bool {
	for _, p := range l.waiting {
		if p.owner.running < share {
			return true
		}
	}
	return false
}

func (l *Line[T]) full() bool { return l.Slots > 0 && l.running >= l.Slots }

// first is the pair that has the next turn, nil if none can have it.
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

// last gives an account the last of all turns.
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

// remove takes out a place; forget must follow, unless the pair runs.
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

// pair finds or makes what there is of a key.
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

// forget lets go of what nobody runs under and nobody waits under.
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

// after tells whether a place comes after another one of a line.
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
