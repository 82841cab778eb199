package store

import "sync"

// Kept is something that was made of a database and is kept with it for as long as it is open.
type Kept interface {
	// Forget is called once, when the database has been deleted or is closed. It must not wait
	// for anything.
	Forget()
}

// keeping is what is kept with an open database.
type keeping struct {
	mu   sync.Mutex // guards what follows
	all  map[any]Kept
	over bool
}

// Keep gives what is kept with the open database under a key, which make makes first. All
// handles on the database share it. A database that was deleted and made again is another
// one, and so is one that was closed because nobody used it, and opened again: what is kept
// with either is made anew. If the database has gone by now, what make makes is forgotten
// at once.
func (db *DB) Keep(key any, make func() Kept) Kept {
	k := &db.kept
	k.mu.Lock()
	v, found := k.all[key]
	over := k.over
	if !found {
		v = make()
		if !over {
			if k.all == nil {
				k.all = map[any]Kept{}
			}
			k.all[key] = v
		}
	}
	k.mu.Unlock()
	if over {
		v.Forget()
	}
	return v
}

// forget ends what is kept.
func (k *keeping) forget() {
	k.mu.Lock()
	all := k.all
	k.all, k.over = nil, true
	k.mu.Unlock()
	for _, v := range all {
		v.Forget()
	}
}
