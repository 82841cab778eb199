package functions

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/script"
)

// maxDatabases is of how many databases functions are kept. One more displaces any other.
const maxDatabases = 1000

// Cache has the functions of the databases of a store. Its methods may be called from any
// goroutine.
type Cache struct {
	host script.Host

	mu  sync.Mutex
	dbs map[string]*Set // by the instance of the database
}

// New makes a Cache of functions that run in a host.
func New(host script.Host) *Cache { return &Cache{host: host, dbs: map[string]*Set{}} }

// Host is where they run.
func (c *Cache) Host() script.Host { return c.host }

// Set is the design documents of a database in one state.
type Set struct {
	design     uint64 // store.DB.Design
	docs       map[string]Design
	validators []Design // those that validate, in the order of their ids
}

// Design is a design document whose functions can be called.
type Design struct {
	*script.Document
	script.Runner
	ID  string
	Rev revtree.Rev
}

// Get finds a design document by its name, without the _design/.
func (s *Set) Get(name string) (Design, bool) {
	d, ok := s.docs[name]
	return d, ok
}

// Validates tells whether there are functions to ask before a document is written.
func (s *Set) Validates() bool { return len(s.validators) > 0 }

// Validate asks all of them; the first refusal counts.
func (s *Set) Validate(ctx context.Context, newDoc, oldDoc, userCtx, secObj []byte) error {
	for _, d := range s.validators {
		if err := d.Validate(ctx, newDoc, oldDoc, userCtx, secObj); err != nil {
			return err
		}
	}
	return nil
}

// Now gives the functions as of now.
func (c *Cache) Now(ctx context.Context, db store.Bare) (*Set, error) {
	design, err := db.Design(ctx)
	if err != nil {
		return nil, err
	}
	return c.At(ctx, db, design)
}

// At gives the functions as of the state of the design documents that DB.Design told.
func (c *Cache) At(ctx context.Context, db store.Bare, design uint64) (*Set, error) {
	c.mu.Lock()
	old := c.dbs[db.Instance()]
	c.mu.Unlock()
	if old != nil && old.design == design {
		return old, nil
	}
	set, err := c.read(ctx, db, old)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.dbs[db.Instance()]; now != nil && now.design > set.design {
		return set, nil // somebody has read a newer one meanwhile
	}
	if len(c.dbs) >= maxDatabases {
		for instance := range c.dbs {
			if instance != db.Instance() {
				delete(c.dbs, instance)
				break
			}
		}
	}
	c.dbs[db.Instance()] = set
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
	set := &Set{design: design, docs: map[string]Design{}}
	q := store.AllDocsQuery{Limit: -1, IncludeDocs: true, Start: "_design/", HasStart: true, End: "_design0", HasEnd: true, ExcludeEnd: true}
	err = db.AllDocs(ctx, q, func(store.Page) error { return nil }, func(r *store.Row) error {
		name := strings.TrimPrefix(string(r.ID), "_design/")
		if old != nil {
			if d, ok := old.docs[name]; ok && d.Rev == r.Rev {
				set.add(name, d)
				return nil
			}
		}
		doc := script.ParseDocument(slices.Clone(r.Doc.Body))
		set.add(name, Design{doc, c.host.Functions(db.Instance(), doc), string(r.ID), r.Rev})
		return nil
	}, func() error { return nil })
	return set, err
}

func (s *Set) add(name string, d Design) {
	s.docs[name] = d
	if d.Has("validate_doc_update") && d.Language() == "javascript" {
		s.validators = append(s.validators, d)
	}
}
