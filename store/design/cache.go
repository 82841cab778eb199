package design

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

// MaxBytes is about how much a Cache keeps; the sets that were not asked for the longest go.
// What a single database has may be more: then it is all that is kept.
const MaxBytes = 64 << 20

// Cache has the design documents of the open databases of a store. Its methods may be
// called from any goroutine.
type Cache struct {
	store *store.Store
	host  script.Host
	max   int64 // bytes

	parsed atomic.Int64

	mu   sync.Mutex // guards what follows, and what entries have of it; no I/O under it
	used *list.List // of *entry that have a set, the one that was not asked for the longest first
	size int64      // of the sets
}

// NewCache makes a Cache of a store's design documents, whose functions run in a host.
func NewCache(s *store.Store, host script.Host) *Cache {
	return &Cache{store: s, host: host, max: MaxBytes, used: list.New()}
}

// Figures say what a Cache does.
type Figures struct {
	Databases int   // whose design documents are kept
	Bytes     int64 // that these take, about
	Parsed    int64 // how many have been parsed
}

// Figures are as of now.
func (c *Cache) Figures() Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Figures{Databases: c.used.Len(), Bytes: c.size, Parsed: c.parsed.Load()}
}

// Find gives a design document by its id: store.ErrMissing, store.ErrDeleted, and what the
// handle's guard says where the handle does not show it.
func (c *Cache) Find(ctx context.Context, db *store.DB, id string) (*Document, error) {
	set, err := c.now(ctx, db)
	if err != nil {
		return nil, err
	}
	d := set.Get(id)
	if d != nil && !db.Hides() {
		return d, nil
	}
	if _, err := db.Get(ctx, id, store.ReadOptions{NoBody: true}); err != nil {
		return nil, err // missing, deleted, or hidden
	}
	if d == nil {
		return nil, store.ErrMissing // it has come meanwhile
	}
	return d, nil
}

// All gives the design documents that a handle shows, in the order of their ids.
func (c *Cache) All(ctx context.Context, db *store.DB) ([]*Document, error) {
	set, err := c.now(ctx, db)
	if err != nil || !db.Hides() {
		return set.All(), err
	}
	var shown []*Document
	q := store.AllDocsQuery{Space: store.DesignDocs, Limit: -1}
	err = db.AllDocs(ctx, q, func(store.Page) error { return nil }, func(r *store.Row) error {
		if d := set.Get(string(r.ID)); d != nil {
			shown = append(shown, d)
		}
		return nil
	}, func() error { return nil })
	return shown, err
}

// now gives the documents as of now. They are kept for all who ask, so no handle that hides
// some of them reads them: validation functions would be gone for everybody.
func (c *Cache) now(ctx context.Context, db *store.DB) (*Set, error) {
	design, err := db.Design(ctx)
	if err != nil {
		return &Set{}, err
	}
	e := c.entry(db)
	if set := c.kept(e, design); set != nil {
		return set, nil
	}
	bare, err := c.store.Bare(ctx, db.Name(), store.ForFunctions)
	if err != nil {
		return &Set{}, err
	}
	defer bare.Release()
	if bare.Instance() != db.Instance() { // another one has its name by now
		return &Set{}, store.ErrNoDB
	}
	return c.At(ctx, bare, design)
}

// At gives the design documents as of the state that DB.Design told, or a later one.
func (c *Cache) At(ctx context.Context, db store.Bare, design uint64) (*Set, error) {
	e := c.entry(db)
	if set := c.kept(e, design); set != nil {
		return set, nil
	}
	select { // one reads for all who wait
	case e.reading <- struct{}{}:
		defer func() { <-e.reading }()
	case <-ctx.Done():
		return &Set{}, ctx.Err()
	}
	if set := c.kept(e, design); set != nil {
		return set, nil
	}
	set, err := c.read(ctx, db, c.last(e))
	if err != nil {
		return &Set{}, err
	}
	c.keep(e, set)
	return set, nil
}

// read reads all design documents; what old has of the same revision is kept. The state
// is read before the documents: if one changes in between, the set is newer than it says
// and is read once more.
func (c *Cache) read(ctx context.Context, db store.Bare, old *Set) (*Set, error) {
	design, err := db.Design(ctx)
	if err != nil {
		return nil, err
	}
	set := &Set{design: design}
	q := store.AllDocsQuery{Space: store.DesignDocs, Limit: -1, IncludeDocs: true}
	err = db.AllDocs(ctx, q, func(store.Page) error { return nil }, func(r *store.Row) error {
		id := string(r.ID)
		d := old.Get(id)
		if d == nil || d.Rev != r.Rev {
			c.parsed.Add(1)
			d = Parse(id, slices.Clone(r.Doc.Body))
			d.Rev, d.DB = r.Rev, db.Instance()
			d.Runner = c.host.Functions(d.DB, d.Body)
		}
		set.add(d)
		return nil
	}, func() error { return nil })
	return set, err
}

// entry is what is kept with one open database (store.Kept).
type entry struct {
	cache   *Cache
	reading chan struct{} // held by who reads

	set   *Set          // guarded by cache.mu, as is what follows; nil: none
	place *list.Element // in cache.used, while there is a set
	gone  bool
}

func (c *Cache) entry(db interface {
	Keep(key any, make func() store.Kept) store.Kept
}) *entry {
	return db.Keep(c, func() store.Kept { return &entry{cache: c, reading: make(chan struct{}, 1)} }).(*entry)
}

// Forget is part of store.Kept: nothing is kept of a database that has gone.
func (e *entry) Forget() {
	e.cache.mu.Lock()
	defer e.cache.mu.Unlock()
	e.gone = true
	e.cache.drop(e)
}

// drop forgets a set. The caller holds mu.
func (c *Cache) drop(e *entry) {
	if e.set == nil {
		return
	}
	c.used.Remove(e.place)
	c.size -= e.set.size
	e.set, e.place = nil, nil
}

// kept gives the set of a state if it is there.
func (c *Cache) kept(e *entry, design uint64) *Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.set == nil || e.set.design < design {
		return nil
	}
	c.used.MoveToBack(e.place)
	return e.set
}

// last gives the set that there is, of whatever state.
func (c *Cache) last(e *entry) *Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.set == nil {
		return &Set{}
	}
	return e.set
}

// keep takes a set in, in place of an older one.
func (c *Cache) keep(e *entry, set *Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.gone {
		return
	}
	c.drop(e)
	e.set, e.place = set, c.used.PushBack(e)
	c.size += set.size
	for c.size > c.max && c.used.Len() > 1 {
		c.drop(c.used.Front().Value.(*entry))
	}
}
