package store

import "sync"

// Kept is something derived from a database and kept with it while it is open.
type Kept interface {
	// Forget is called once, when the database is deleted or closed. It must not wait for
	// anything.
	Forget()
}

// keeping is what is kept with an open database.
type keeping struct {
	mu   sync.Mutex // guards what follows
	all  map[any]Kept
	over bool
}

// Keep returns what is kept with the open database under a key; if there is nothing yet, make
// makes it. All handles on the database share it. A database that is deleted and created again
// starts anew, and so does one that was closed while idle and reopened. If the database is
// already gone, the new value is forgotten at once.
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
