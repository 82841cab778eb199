package chaos

import (
	"maps"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Saved is what an engine had at one moment.
type Saved map[string]savedDB

type savedDB struct {
	id     engine.DBID
	spaces *snapshot
}

// Save keeps what the engine has, for PutBack.
func (e *Engine) Save() Saved {
	saved := Saved{}
	for name, d := range e.all() {
		if now, gone := d.now(); gone == nil {
			saved[name] = savedDB{d.id, now}
		}
	}
	return saved
}

// PutBack has the engine forget all that has happened since a moment, as a standby does that did not have it when
// it was promoted. Those who have databases open go on, in another era. Nobody else may drop or make databases meanwhile.
func (e *Engine) PutBack(saved Saved) {
	e.mu.Lock()
	e.era++
	era := e.era
	e.mu.Unlock()
	for name, d := range e.all() {
		if was, is := saved[name]; !is || was.id != d.id {
			e.mu.Lock()
			delete(e.dbs, name)
			e.mu.Unlock()
			d.drop()
		}
	}
	for name, was := range saved {
		e.mu.Lock()
		d := e.dbs[name]
		if d == nil {
			d = &database{eng: e, id: was.id}
			e.dbs[name] = d
		}
		e.mu.Unlock()
		d.putBack(was.spaces, era)
	}
}

func (e *Engine) all() map[string]*database {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.dbs)
}

func (d *database) putBack(to *snapshot, era uint64) {
	d.write.Lock() // what is being written is forgotten too
	defer d.write.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spaces = to.clone()
	d.spaces.era = era
	d.wake()
}

// Era is part of engine.Eras.
func (e *Engine) Era() (engine.Era, error) { return eraOf(e.seen.Load()), nil }

// eraOf is zero, which is unknown, until something has been put back.
func eraOf(n uint64) engine.Era {
	if n == 0 {
		return engine.Era{}
	}
	return engine.Era{ID: n, Since: time.Unix(int64(n), 0)}
}
