package bolt

import (
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/tododb/tododb/store/engine/journal"
)

// dues tells from where on the journal is needed: what of each database is in no file yet.
type dues struct {
	mu   sync.Mutex
	of   map[*file]due
	path map[string][]*file // the same by path
}

// is changes what is due. The caller holds mu.
func (d *dues) is(f *file, one due) {
	_, there := d.of[f]
	switch {
	case one == due{} && there:
		delete(d.of, f)
		left := slices.DeleteFunc(d.path[f.path], func(o *file) bool { return o == f })
		if d.path[f.path] = left; len(left) == 0 {
			delete(d.path, f.path)
		}
	case one != due{}:
		d.of[f] = one
		if !there {
			d.path[f.path] = append(d.path[f.path], f)
		}
	}
}

// due holds positions before the first record of a layer, 0 if the layer is empty. apart is the position of the last
// record that stands in a file of its own, for which the journal is not needed.
type due struct{ top, below, apart uint64 }

func (d *due) first() uint64 {
	switch {
	case d.below != 0:
		return d.below
	case d.top != 0:
		return d.top
	}
	return noPos
}

// noPos is after all positions.
const noPos = math.MaxUint64

func (d *dues) none() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.of) == 0
}

// takeAt forgets what is at a path.
func (d *dues) takeAt(path string) map[*file]due {
	d.mu.Lock()
	defer d.mu.Unlock()
	var taken map[*file]due
	for _, f := range slices.Clone(d.path[path]) {
		if taken == nil {
			taken = map[*file]due{}
		}
		taken[f] = d.of[f]
		d.is(f, due{})
		f.remove()
	}
	return taken
}

// at is what there is at a path.
func (d *dues) at(path string) map[*file]due {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found map[*file]due
	for _, f := range d.path[path] {
		if found == nil {
			found = map[*file]due{}
		}
		found[f] = d.of[f]
	}
	return found
}

func (d *dues) put(f *file, one due) {
	d.mu.Lock()
	d.is(f, one)
	d.mu.Unlock()
}

// set changes what is due, unless that has been forgotten.
func (d *dues) set(f *file, one due) {
	d.mu.Lock()
	if _, there := d.of[f]; there {
		d.is(f, one)
	}
	d.mu.Unlock()
}

func (d *dues) all() map[*file]due {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.of)
}

func (d *dues) forget(f *file) {
	f.remove()
	d.mu.Lock()
	d.is(f, due{})
	d.mu.Unlock()
}

// pin keeps what is about to be written to the journal.
func (e *Engine) pin(f *file) {
	d := &e.dues
	d.mu.Lock()
	if now := d.of[f]; now.top == 0 {
		now.top = uint64(e.log.End())
		d.is(f, now)
	}
	d.mu.Unlock()
}

// unpin lets go of what a layer was made of.
func (e *Engine) unpin(f *file, top bool) {
	d := &e.dues
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.of[f]
	if top {
		now.top = 0
	} else {
		now.below = 0
	}
	d.is(f, now)
}

// joined lets go of what is set apart of a database, if its file has that. The caller holds flush.
func (e *Engine) joined(f *file) {
	d := e.dues.at(f.path)[f]
	if d.apart == 0 || f.saved.pos < d.apart || e.removeAhead(f.path) != nil {
		return
	}
	e.dues.mu.Lock()
	defer e.dues.mu.Unlock()
	d = e.dues.of[f]
	d.apart = 0
	e.dues.is(f, d)
}

// sink makes the upper layer the lower one.
func (e *Engine) sink(f *file) {
	d := &e.dues
	d.mu.Lock()
	if now, ok := d.of[f]; ok {
		d.is(f, due{below: now.top, apart: now.apart})
	}
	d.mu.Unlock()
}

// inFiles is the position up to which the files have all that is in the journal.
func (e *Engine) inFiles() journal.Pos {
	d := &e.dues
	e.mu.Lock() // while something is dropped or replaced, what the journal has from its beginning on stays
	defer e.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	before := e.log.End()
	for _, f := range d.of {
		before = min(before, journal.Pos(f.first()))
	}
	return before
}
