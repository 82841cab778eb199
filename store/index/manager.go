package index

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
)

// Options tune a Manager; the zero value is safe except for Store.
type Options struct {
	Store *store.Store
	// Idle is how long an index that nobody reads is kept open and up to date (5 min).
	Idle time.Duration
	// Delay is how long after a change an index is updated if nobody waits for it (1 s), so
	// that changes gather.
	Delay time.Duration
	// Scratch is a folder for sorting during the first build of an index, about as large as
	// its rows. It is made if need be. A build goes on with what an earlier process has sorted there, and
	// what no build has gone on with after an hour is removed.
	// ("": the system's folder for temporary files, where nothing is removed.)
	Scratch string
	// Batch is how many documents are mapped at a time at most (default: 20,000).
	Batch int
	// NoRoom tells whether the disk has too little room left to bring an index up to date for
	// somebody who waits (ErrNoRoom), and NoRoomBehind whether it has while nobody waits (default:
	// it never has).
	NoRoom, NoRoomBehind func() bool
	// Built is called after each build that has changed an index (default: nothing). It must return
	// quickly.
	Built func(db, signature string)
	// Members are the processes that share the databases: one of them builds an index for the first time,
	// and the others wait for it (nil: this process is alone).
	Members *members.Members
	// Log receives what happens in the background (default: nothing is logged).
	Log *slog.Logger
}

// Manager knows the open indexes of a store. Its methods may be called from any
// goroutine.
type Manager struct {
	opt    Options
	ctx    context.Context // for all background work; ended by Close
	cancel context.CancelFunc

	first batchLimit // of first builds
	load  int        // bytes of a transaction that loads one

	started time.Time

	mu     sync.Mutex      // guards what follows; no I/O under it
	left   map[string]bool // files of sorted rows, by name, that an earlier process left and no build has gone on with
	open   map[indexID]*Index
	drops  map[indexID]chan struct{} // indexes being dropped: nobody opens one until its channel closes
	held   map[indexID]int           // indexes whose storage is looked at: nobody drops one
	closed bool
	wg     sync.WaitGroup
}

// indexID names an index. A database that was deleted and created again is a different one.
type indexID struct{ db, instance, signature string }

// subPrefix begins the names of our storages.
const subPrefix = "index-"

// NewManager makes a Manager; Close must follow, before the store is closed.
func NewManager(ctx context.Context, opt Options) *Manager {
	if opt.Idle <= 0 {
		opt.Idle = 5 * time.Minute
	}
	if opt.Delay <= 0 {
		opt.Delay = time.Second
	}
	if opt.NoRoom == nil {
		opt.NoRoom = func() bool { return false }
	}
	if opt.NoRoomBehind == nil {
		opt.NoRoomBehind = func() bool { return false }
	}
	if opt.Built == nil {
		opt.Built = func(string, string) {}
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	var left map[string]bool
	if opt.Scratch != "" {
		var err error
		if left, err = leftRuns(opt.Scratch); err != nil { // a build that needs the folder will report this
			opt.Log.Error("cannot create the folder for sorted rows", "folder", opt.Scratch, "error", err)
		}
	}
	m := &Manager{opt: opt, first: firstBatch, load: loadBytes, started: time.Now(), left: left, open: map[indexID]*Index{}, drops: map[indexID]chan struct{}{}, held: map[indexID]int{}}
	if opt.Batch > 0 {
		m.first.docs = opt.Batch
	}
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

// Open returns the index of a definition; the caller releases it. Wait builds it, and so does
// the background while it is in use.
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
		if leaving != nil { // there is room for another one when this one is gone
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
			if why := db.WhyGone(); why != nil { // this says more than that the name has another one now
				return nil, why
			}
			return nil, ix.openErr
		}
		if ix.db.WhyGone() != nil && db.WhyGone() == nil {
			// The database was closed, and opened again, perhaps from another file. This index
			// belongs to the closed one and will close too.
			ix.Release()
			select {
			case <-ix.closed:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return ix, nil
	}
}

// sweep closes indexes that have been idle for a long time.
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
			if now.Sub(m.started) > keepRuns {
				m.forgetLeft()
			}
		}
	}
}

// Cleanup drops the indexes of a database whose signatures are not wanted. Indexes that are
// being read are left to the next time.
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

// drop deletes an index that has no users. A caller that wants it in the meantime waits and
// gets a new one: if it got one before the deletion ends, it would lose the storage.
func (m *Manager) drop(ctx context.Context, db *store.DB, signature string) error {
	id := indexID{db.Name(), db.Instance(), signature}
	m.mu.Lock()
	ix := m.open[id]
	if m.drops[id] != nil || m.held[id] > 0 || ix != nil && ix.users > 0 {
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

// Task is a build in progress.
type Task struct {
	DB, Label        string
	Started, Updated time.Time
	Done, Total      uint64 // changes
}

// Building is the lowest sequence that an index of a database has reached which is being built: it
// reads the feed from there. any is false if there is none.
func (m *Manager) Building(db string) (seq uint64, any bool) {
	m.mu.Lock()
	var all []*Index
	for id, ix := range m.open {
		if id.db == db {
			all = append(all, ix)
		}
	}
	m.mu.Unlock()
	for _, ix := range all {
		ix.mu.Lock()
		if ix.building && (!any || ix.seq < seq) {
			seq, any = ix.seq, true
		}
		ix.mu.Unlock()
	}
	return seq, any
}

// Tasks lists the builds in progress.
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
