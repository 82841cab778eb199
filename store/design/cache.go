package design

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

// MaxBytes is about how much a Cache keeps; the least recently used sets go first. A single
// database may need more: then its set is the only one kept.
const MaxBytes = 64 << 20

// Cache holds the design documents of a store's open databases. Its methods may be called from
// any goroutine.
type Cache struct {
	store *store.Store
	host  script.Host
	max   int64 // bytes

	parsed atomic.Int64

	mu   sync.Mutex // guards what follows, and entry.gone; no I/O under it
	sets *simplelru.LRU[*entry, *Set]
	size int64 // of the sets
}

// NewCache makes a Cache of a store's design documents. Their functions run in a host.
func NewCache(s *store.Store, host script.Host) *Cache {
	c := &Cache{store: s, host: host, max: MaxBytes}
	// The cache counts bytes, and drops sets itself. It fails only for a size below 1.
	c.sets, _ = simplelru.NewLRU(math.MaxInt, func(_ *entry, old *Set) { c.size -= old.size })
	return c
}

// Figures count the work of a Cache.
type Figures struct {
	Databases int   // whose design documents are kept
	Bytes     int64 // that these take, approximately
	Parsed    int64 // how many have been parsed
}

// Figures returns the present figures.
func (c *Cache) Figures() Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Figures{Databases: c.sets.Len(), Bytes: c.size, Parsed: c.parsed.Load()}
}

// Renew has functions that are called from now on run in new processes (script.Host).
func (c *Cache) Renew() { c.host.Renew() }

// Find returns a design document by its id. The error may be store.ErrMissing or
// store.ErrDeleted, or the guard's if the handle does not show the document.
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
		return nil, store.ErrMissing // it was created in the meantime
	}
	return d, nil
}

// All returns the design documents that a handle shows, in the order of their ids.
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

// now returns the present documents. All callers share them, so they must not be read with a
// handle that hides some: everybody would then miss validation functions.
func (c *Cache) now(ctx context.Context, db *store.DB) (*Set, error) {
	design, err := db.DesignSeq(ctx)
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
	if bare.Instance() != db.Instance() { // another database has its name by now
		return &Set{}, cmp.Or(db.WhyGone(), store.ErrNoDB)
	}
	return c.At(ctx, bare, design)
}

// At returns the design documents as of the given result of DB.Design, or later.
func (c *Cache) At(ctx context.Context, db store.Bare, design uint64) (*Set, error) {
	e := c.entry(db)
	if set := c.kept(e, design); set != nil {
		return set, nil
	}
	select { // one caller reads for all that wait
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

// read reads all design documents, and keeps those in old whose revision is the same. It reads
// the state first and then the documents: if one changes in between, the set is newer than it
// says and is read once more.
func (c *Cache) read(ctx context.Context, db store.Bare, old *Set) (*Set, error) {
	design, err := db.DesignSeq(ctx)
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
			d.Partitioned = db.Partitioned() && !d.global
			if d.Language == javascript {
				d.Runner = c.host.Functions(d.DB, d.Body)
			} else {
				d.Runner = foreign{d.Language}
			}
		}
		set.add(d)
		return nil
	}, func() error { return nil })
	return set, err
}

// entry is what is kept with one open database (store.Kept).
type entry struct {
	cache   *Cache
	reading chan struct{} // held by the caller that reads
	gone    bool          // guarded by cache.mu
}

func (c *Cache) entry(db interface {
	Keep(key any, make func() store.Kept) store.Kept
}) *entry {
	return db.Keep(c, func() store.Kept { return &entry{cache: c, reading: make(chan struct{}, 1)} }).(*entry)
}

// Forget is part of store.Kept: nothing is kept of a database that is gone.
func (e *entry) Forget() {
	e.cache.mu.Lock()
	defer e.cache.mu.Unlock()
	e.gone = true
	e.cache.sets.Remove(e)
}

// kept returns the set of a state, nil if it is not there. The set of a database that never had a design document
// is known without reading.
func (c *Cache) kept(e *entry, design uint64) *Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	set, is := c.sets.Peek(e)
	switch {
	case !is && design == 0:
		return &Set{}
	case !is || set.design < design:
		return nil
	}
	c.sets.Get(e) // it has been used
	return set
}

// last returns the present set, whatever its state.
func (c *Cache) last(e *entry) *Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	if set, is := c.sets.Peek(e); is {
		return set
	}
	return &Set{}
}

// keep stores a set in place of an older one.
func (c *Cache) keep(e *entry, set *Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.gone {
		return
	}
	c.sets.Remove(e)
	c.sets.Add(e, set)
	c.size += set.size
	for c.size > c.max && c.sets.Len() > 1 {
		c.sets.RemoveOldest()
	}
}
