package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// AskedCompaction is a compaction that somebody asked for, as far as it is.
type AskedCompaction struct {
	DB, Index        string // Index is the label of an index, "" for the database itself
	Started, Updated time.Time
	Copied, Total    int64 // bytes, about
}

// askedCompactions are those that are going on.
type askedCompactions struct {
	mu  sync.Mutex // guards what follows, and what it points to
	all []*AskedCompaction
}

// copying counts what a compaction copies. It does not slow it down.
type copying struct {
	list *askedCompactions
	of   *AskedCompaction
}

// Wait is part of engine.Throttle.
func (c copying) Wait(ctx context.Context, bytes int) error {
	c.list.mu.Lock()
	defer c.list.mu.Unlock()
	c.of.Copied += int64(bytes)
	c.of.Updated = time.Now()
	return ctx.Err()
}

// NoteCompaction has AskedCompactions show a compaction until over is called. What is copied with the
// context counts.
func (s *Store) NoteCompaction(ctx context.Context, c AskedCompaction) (_ context.Context, over func()) {
	list, of := &s.asked, &c
	c.Started = time.Now()
	c.Updated = c.Started
	list.mu.Lock()
	defer list.mu.Unlock()
	list.all = append(list.all, of)
	return engine.WithThrottle(ctx, copying{list, of}), func() {
		list.mu.Lock()
		defer list.mu.Unlock()
		list.all = slices.DeleteFunc(list.all, func(other *AskedCompaction) bool { return other == of })
	}
}

// AskedCompactions are the compactions that somebody asked for, and that are going on.
func (s *Store) AskedCompactions() (all []AskedCompaction) {
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	for _, c := range s.asked.all {
		all = append(all, *c)
	}
	return all
}
