package index

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
)

// Options tune a Manager; the zero value but for Store is safe.
type Options struct {
	Store *store.Store
	// Idle is how long an index that nobody reads is kept open and up to date (5 min).
	Idle time.Duration
	// Delay is how long after a change an index that nobody waits for is brought up to
	// date (1 s): changes gather meanwhile.
	Delay time.Duration
	// Scratch is a folder for what is sorted while an index is built first, about as much
	// as its rows; it is made, and what another process left in it is removed. ("": the
	// system's folder for temporary files, where nothing is removed.)
	Scratch string
	// Log is told what happens in the background (nothing).
	Log *slog.Logger
}

// Manager knows the open indexes of a store. Its methods may be called from any
// goroutine.
type Manager struct {
	opt    Options
	ctx    context.Context // of all that goes on behind requests; ended by Close
	cancel context.CancelFunc

	first batchLimit // of first builds
	load  int        // bytes of a transaction that loads one

	mu     sync.Mutex // guards what follows; no I/O under it
	open   map[indexID]*Index
	drops  map[indexID]chan struct{} // those being dropped: nobody opens them until it is closed
	closed bool
	wg     sync.WaitGroup
}

// indexID names an index. A database that was deleted and made again is another one.
type indexID struct{ db, instance, signature string }

// subPrefix begins the names of the storages that are ours.
const subPrefix = "index-"

// NewManager makes a Manager; Close must follow, before the store is closed.
func NewManager(ctx context.Context, opt Options) *Manager {
	if opt.Idle <= 0 {
		opt.Idle = 5 * time.Minute
	}
	if opt.Delay <= 0 {
		opt.Delay = time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Scratch != "" {
		if err := cleanRuns(opt.Scratch); err != nil { // building says so, if it needs the folder
			opt.Log.Error("cannot create the folder for sorted rows", "folder", opt.Scratch, "error", err)
		}
	}
	m := &Manager{opt: opt, first: firstBatch, load: loadBytes, open: map[indexID]*Index{}, drops: map[indexID]chan struct{}{}}
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.wg.Go(m.sweep)
	return m
}

// Close stops all builds and closes all indexes.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.wg.Wait()
	return nil
}

// Open gives the index of a definition; the caller releases it. It is built by Wait, and
// behind the requests as long as it is in use.
func (m *Manager) Open(ctx context.Context, db *store.DB, def *Definition) (*Index, error) {
	if len(def.Views) > MaxViews {
		return nil, fmt.Errorf("%d views, at most %d allowed: %w", len(def.Views), MaxViews, ErrTooManyViews)
	}
	id := indexID{db.Name(), db.Instance(), def.Signature}
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return nil, ErrClosed
		}
		ix, found := m.open[id]
		leaving := m.drops[id]
		if found && ix.going {
			leaving = ix.closed
		}
		if leaving != nil { // there is room for another one when it has gone
			m.mu.Unlock()
			select {
			case <-leaving:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if !found {
			ix = newIndex(m, id, def)
			m.open[id] = ix
			m.wg.Go(ix.run)
		}
		ix.users++
		m.mu.Unlock()
		select {
		case <-ix.opened:
		case <-ctx.Done():
			ix.Release()
			return nil, ctx.Err()
		}
		if ix.openErr != nil {
			ix.Release()
			return nil, ix.openErr
		}
		return ix, nil
	}
}

// sweep closes indexes that have been idle for long.
func (m *Manager) sweep() {
	tick := time.NewTicker(max(m.opt.Idle/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case now := <-tick.C:
			m.mu.Lock()
			for _, ix := range m.open {
				if ix.users == 0 && now.Sub(ix.idleSince) >= m.opt.Idle {
					ix.retire()
				}
			}
			m.mu.Unlock()
		}
	}
}

// Cleanup drops the indexes of a database that are not wanted, by signature. Those that
// somebody is reading are left to the next time.
func (m *Manager) Cleanup(ctx context.Context, db *store.DB, wanted func(signature string) bool) error {
	names, err := db.Subs(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		signature, ours := strings.CutPrefix(name, subPrefix)
		if !ours || wanted(signature) {
			continue
		}
		if err := m.drop(ctx, db, signature); err != nil {
			return err
		}
	}
	return nil
}

// drop deletes an index that nobody has. Whoever wants it meanwhile waits, and gets a new
// one: of one opened before the deletion is over, the storage would go.
func (m *Manager) drop(ctx context.Context, db *store.DB, signature string) error {
	id := indexID{db.Name(), db.Instance(), signature}
	m.mu.Lock()
	ix := m.open[id]
	if m.drops[id] != nil || ix != nil && ix.users > 0 {
		m.mu.Unlock()
		return nil
	}
	over := make(chan struct{})
	m.drops[id] = over
	if ix != nil {
		ix.retire()
	}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(m.drops, id)
		m.mu.Unlock()
		close(over)
	}()
	if ix != nil {
		select {
		case <-ix.closed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return db.DropSub(ctx, subPrefix+signature)
}

// Task is a build that is going on.
type Task struct {
	DB, Label        string
	Started, Updated time.Time
	Done, Total      uint64 // changes
}

// Tasks lists the builds that are going on.
func (m *Manager) Tasks() (out []Task) {
	m.mu.Lock()
	all := make([]*Index, 0, len(m.open))
	for _, ix := range m.open {
		all = append(all, ix)
	}
	m.mu.Unlock()
	for _, ix := range all {
		ix.mu.Lock()
		if ix.building {
			out = append(out, ix.task)
		}
		ix.mu.Unlock()
	}
	return out
}
