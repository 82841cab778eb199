package bolt

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

const (
	directBytes  = 256 << 10
	flushBytes   = 4 << 20
	journalBytes = 64 << 20
	flushAfter   = 30 * time.Second
	flushers     = 2 // databases that are written to their files at a time
)

// dues tells from where on the journal is needed: what of each database is in no file yet.
type dues struct {
	mu sync.Mutex
	of map[*file]due
}

// due holds positions before the first record of a layer, 0 if the layer is empty.
type due struct{ top, below uint64 }

func (d *due) first() uint64 {
	if d.below != 0 {
		return d.below
	}
	return d.top
}

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
	for f, one := range d.of {
		if f.path == path {
			if taken == nil {
				taken = map[*file]due{}
			}
			taken[f] = one
			delete(d.of, f)
		}
	}
	return taken
}

func (d *dues) put(f *file, one due) {
	d.mu.Lock()
	d.of[f] = one
	d.mu.Unlock()
}

func (d *dues) forget(f *file) {
	d.mu.Lock()
	delete(d.of, f)
	d.mu.Unlock()
}

// pin keeps what is about to be written to the journal.
func (e *Engine) pin(f *file) {
	d := &e.dues
	d.mu.Lock()
	if now := d.of[f]; now.top == 0 {
		now.top = uint64(e.log.End())
		d.of[f] = now
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
	if now == (due{}) {
		delete(d.of, f)
		return
	}
	d.of[f] = now
}

// sink makes the upper layer the lower one.
func (e *Engine) sink(f *file) {
	d := &e.dues
	d.mu.Lock()
	if now, ok := d.of[f]; ok {
		d.of[f] = due{below: now.top}
	}
	d.mu.Unlock()
}

// flusher is what brings overlays into files in the background.
type flusher struct {
	unflushedBytes atomic.Int64
	flushes        atomic.Int64

	wake   chan struct{} // of capacity one
	stop   chan struct{}
	ended  sync.WaitGroup
	wanted sync.Map // files whose layer is large
}

// grown is called when a database has more to be flushed.
func (e *Engine) grown(f *file, bytes int) {
	e.unflushedBytes.Add(int64(bytes))
	f.above.Add(int64(bytes))
	if int64(f.topBytes+f.topKeys*weight) >= e.opt.FlushBytes {
		if _, there := e.wanted.LoadOrStore(f, true); !there {
			e.wakeFlusher()
		}
	} else if e.log.Size() > e.opt.JournalBytes {
		e.wakeFlusher()
	}
}

func (e *Engine) shrunk(f *file, bytes int) {
	e.unflushedBytes.Add(-int64(bytes))
	f.above.Add(-int64(bytes))
}

func (e *Engine) wakeFlusher() {
	select {
	case e.flusher.wake <- struct{}{}:
	default:
	}
}

func (e *Engine) startFlushing() {
	e.flusher.wake, e.stop = make(chan struct{}, 1), make(chan struct{})
	if e.opt.AsItIs || e.log == nil {
		return
	}
	e.ended.Go(func() {
		tick := time.NewTicker(max(e.opt.FlushAfter/8, 10*time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-e.stop:
				return
			case <-e.flusher.wake:
			case <-tick.C:
			}
			e.flushDue()
		}
	})
}

func (e *Engine) stopFlushing() {
	close(e.stop)
	e.ended.Wait()
}

// flushDue flushes what is large, old, or keeps the journal long.
func (e *Engine) flushDue() {
	e.mu.Lock()
	_ = e.payDebts(context.Background())
	e.mu.Unlock()
	var list []*file
	e.wanted.Range(func(f, _ any) bool {
		e.wanted.Delete(f)
		list = append(list, f.(*file))
		return true
	})
	e.flushFiles(list)
	e.flushFiles(e.oldOnes())
	e.releaseJournal()
}

// oldOnes are the databases that have waited long, and those that the journal is longest needed for if it is too
// long.
func (e *Engine) oldOnes() (list []*file) {
	type aged struct {
		*file
		first uint64
	}
	var all []aged
	e.dues.mu.Lock()
	for f, d := range e.dues.of {
		all = append(all, aged{f, d.first()})
	}
	e.dues.mu.Unlock()
	slices.SortFunc(all, func(a, b aged) int { return cmp.Compare(a.first, b.first) })
	// Positions are bytes of the journal, more or less: what was written in the older half goes.
	long := e.log.Size() > e.opt.JournalBytes
	half := uint64(0)
	if long {
		half = uint64(e.log.End()) - uint64(e.opt.JournalBytes/2)
	}
	for _, f := range all {
		f.swap.RLock()
		old := !f.layers.empty() && time.Since(f.since) >= e.opt.FlushAfter
		f.swap.RUnlock()
		if old || long && f.first < half {
			list = append(list, f.file)
		}
	}
	return list
}

// flushFiles flushes some databases, and reports whether all of them went through.
func (e *Engine) flushFiles(list []*file) (whole bool) {
	var failed atomic.Bool
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(flushers, len(list)) {
		wait.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				select {
				case <-e.stop:
					if !e.closing() {
						return
					}
				default:
				}
				if err := e.flushFile(context.Background(), list[i]); err != nil {
					failed.Store(true)
				}
			}
		})
	}
	wait.Wait()
	return !failed.Load()
}

func (e *Engine) closing() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// flushFile flushes a database, and forgets it if nobody has it open.
func (e *Engine) flushFile(ctx context.Context, f *file) error {
	err := f.flushOut(ctx)
	switch {
	case errors.Is(err, engine.ErrNoDB), errors.Is(err, engine.ErrClosed):
		return nil
	case err != nil:
		if !f.failing.Swap(true) {
			e.opt.Noticed("cannot write to its file what the journal has of a database; it will be tried again: " + err.Error())
		}
		return err
	}
	f.failing.Store(false)
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.handles == 0 && e.files[f.path] == f && !f.unflushed() {
		delete(e.files, f.path)
	}
	return nil
}

// flushTo brings a database into its file, if it is there.
func (e *Engine) flushTo(ctx context.Context, path string) error {
	e.mu.Lock()
	f := e.files[path]
	e.mu.Unlock()
	if f == nil {
		return nil
	}
	return f.flushOut(ctx)
}

// Flush brings everything that stands only in the journal into the files. Until somebody writes again, the
// files are the whole databases.
func (e *Engine) Flush(ctx context.Context) error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return engine.ErrClosed
	}
	e.mu.Unlock()
	if !e.flushAll(ctx) {
		return engine.ErrUnavailable
	}
	e.releaseJournal()
	return nil
}

func (e *Engine) flushAll(context.Context) (whole bool) {
	var list []*file
	e.mu.Lock()
	for _, f := range e.files {
		if f.unflushed() {
			list = append(list, f)
		}
	}
	e.mu.Unlock()
	return e.flushFiles(list)
}

// Figures say how the journal fares.
type Figures struct {
	Journal   int64 // bytes on disk
	Unflushed int64 // bytes of memory for what is in no file yet
	Databases int   // that have such
	Flushes   int64 // writings to a file, since the start
}

// Figures are those of now.
func (e *Engine) Figures() Figures {
	e.dues.mu.Lock()
	n := len(e.dues.of)
	e.dues.mu.Unlock()
	if e.log == nil {
		return Figures{}
	}
	return Figures{Journal: e.log.Size(), Unflushed: e.unflushedBytes.Load(), Databases: n, Flushes: e.flushes.Load()}
}

// releaseJournal lets the journal forget what is in the files.
func (e *Engine) releaseJournal() {
	if e.log == nil {
		return
	}
	d := &e.dues
	d.mu.Lock()
	before := e.log.End()
	for _, f := range d.of {
		before = min(before, journal.Pos(f.first()))
	}
	d.mu.Unlock()
	e.markDone(before)
	if err := e.log.Release(before); err != nil {
		e.opt.Noticed("cannot remove a part of the journal: " + err.Error())
	}
}
