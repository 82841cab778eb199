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
)

// flushers is how many databases are written to their files at a time, if that is urgent.
const flushers = 2

// flusher is what brings overlays into files in the background.
type flusher struct {
	unflushedBytes atomic.Int64
	flushes        atomic.Int64
	gatheredBytes  atomic.Int64

	wake      chan struct{} // of capacity one
	untilStop context.Context
	stop      context.CancelFunc
	ended     sync.WaitGroup
	wanted    sync.Map // files whose layer is large
}

// grown is called when a database has more to be flushed.
func (e *Engine) grown(f *file, keys, held int) {
	f.above.Add(int64(held + keys*weight))
	f.aboveKeys.Add(int64(keys))
	e.weigh(f)
	if int64(f.topBytes+f.topKeys*weight) >= e.opt.FlushBytes {
		if _, there := e.wanted.LoadOrStore(f, true); !there {
			e.wakeFlusher()
		}
	} else if e.urgent() {
		e.wakeFlusher()
	}
}

// urgent tells that the journal is too long, or takes too much memory, or that there is little room.
func (e *Engine) urgent() bool {
	return e.room.scarce.Load() || e.log.Size() > e.opt.JournalBytes || e.unflushedBytes.Load() > e.opt.UnflushedBytes
}

func (e *Engine) shrunk(f *file, keys, bytes int) {
	f.above.Add(-int64(bytes))
	f.aboveKeys.Add(-int64(keys))
	e.weigh(f)
}

func (e *Engine) wakeFlusher() {
	select {
	case e.flusher.wake <- struct{}{}:
	default:
	}
}

func (e *Engine) startFlushing() {
	e.flusher.wake = make(chan struct{}, 1)
	e.untilStop, e.stop = context.WithCancel(context.Background())
	if e.opt.AsItIs {
		return
	}
	if e.opt.Scattered != 0 {
		e.ended.Go(e.drainOften)
	}
	if e.log == nil {
		return
	}
	e.ended.Go(func() {
		tick := time.NewTicker(max(e.opt.FlushAfter/8, 10*time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-e.untilStop.Done():
				return
			case <-e.flusher.wake:
				e.flushDue(false)
			case <-tick.C:
				e.flushDue(e.opt.NearlyFull != nil && e.opt.NearlyFull())
			}
		}
	})
}

func (e *Engine) stopFlushing() {
	e.stop()
	e.ended.Wait()
}

// flushDue flushes what is large, old, or keeps the journal long; or everything.
func (e *Engine) flushDue(everything bool) {
	e.mu.Lock()
	_ = e.payDebts(context.Background())
	e.mu.Unlock()
	e.nameAll()
	e.flushWanted()
	e.flushGently(e.oldOnes(everything || e.scarce()))
	e.setBrokenApart()
	e.releaseJournal()
}

// flushWanted flushes what is large.
func (e *Engine) flushWanted() {
	var list []*file
	e.wanted.Range(func(f, _ any) bool {
		e.wanted.Delete(f)
		list = append(list, f.(*file))
		return true
	})
	e.flushFiles(e.untilStop, list)
}

// flushGently flushes one database after the other, with pauses, so that writers have the disk: their commits wait
// for it. It hurries as soon as that is urgent.
func (e *Engine) flushGently(list []*file) {
	released := time.Now()
	for i, f := range list {
		if e.urgent() {
			e.flushFiles(e.untilStop, list[i:])
			return
		}
		if e.untilStop.Err() != nil {
			break
		}
		begun := time.Now()
		_ = e.flushFile(e.untilStop, f)
		if i%namesTogether == namesTogether-1 {
			e.nameAll()
		}
		if time.Since(released) > releaseEach { // with thousands of databases the last one is far away
			e.releaseJournal()
			released = time.Now()
		}
		pause := time.NewTimer(flushPause * time.Since(begun))
		select {
		case <-pause.C:
		case <-e.flusher.wake:
			pause.Stop()
			e.flushWanted()
		case <-e.untilStop.Done():
			pause.Stop()
		}
	}
	e.nameAll()
}

// releaseEach is after which time the journal lets go of what has come to the files, though more is to come.
const releaseEach = time.Second

// flushPause is how many times as long as a flush the pause is after it.
const flushPause = 3

// oldHalf is where the newer half of the journal begins if it is too long, else 0. Positions are bytes of the
// journal, more or less: what was written in the older half goes.
func (e *Engine) oldHalf() uint64 {
	if e.log.Size() <= e.opt.JournalBytes {
		return 0
	}
	return uint64(e.log.End()) - uint64(e.opt.JournalBytes/2)
}

// oldOnes are the databases that have waited long, and those that the journal is longest needed for if it is too
// long.
func (e *Engine) oldOnes(everything bool) (list []*file) {
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
	half := e.oldHalf()
	excess := e.unflushedBytes.Load()
	if excess > e.opt.UnflushedBytes {
		excess -= e.opt.UnflushedBytes / 2
	} else {
		excess = 0
	}
	for _, f := range all {
		f.swap.RLock()
		old := !f.layers.empty() && (everything || time.Since(f.since) >= e.opt.FlushAfter)
		f.swap.RUnlock()
		if old || f.first < half || excess > 0 {
			excess -= f.above.Load()
			list = append(list, f.file)
		}
	}
	return list
}

// flushFiles flushes some databases, and reports whether all of them went through.
func (e *Engine) flushFiles(ctx context.Context, list []*file) (whole bool) {
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
				if ctx.Err() != nil {
					failed.Store(true)
					return
				}
				if err := e.flushFile(ctx, list[i]); err != nil {
					failed.Store(true)
				}
				if (i+1)%namesTogether == 0 && !e.nameAll() {
					failed.Store(true)
				}
			}
		})
	}
	wait.Wait()
	return e.nameAll() && !failed.Load()
}

// flushFile flushes a database, and forgets it if nobody has it open. The name of a new file waits for nameAll.
func (e *Engine) flushFile(ctx context.Context, f *file) error {
	err := f.flushLayers(ctx)
	switch {
	case errors.Is(err, engine.ErrNoDB), errors.Is(err, engine.ErrClosed):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		f.barred.Store(!errors.Is(err, engine.ErrFull))
		if !f.failing.Swap(true) {
			e.opt.Noticed("cannot write to its file what the journal has of a database; it will be tried again: " + err.Error())
		}
		return err
	}
	f.failing.Store(false)
	f.barred.Store(false)
	e.letGo(f)
	return nil
}

// letGo forgets a database that has been flushed, if nobody has it open.
func (e *Engine) letGo(f *file) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.handles == 0 && e.files[f.path] == f && !f.unflushed() {
		delete(e.files, f.path)
	}
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

// flushWithin flushes as much as it can in a time.
func (e *Engine) flushWithin(d time.Duration) (whole bool) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return e.flushAll(ctx)
}

func (e *Engine) flushAll(ctx context.Context) (whole bool) {
	var list []*file
	e.mu.Lock()
	for _, f := range e.files {
		if f.unflushed() {
			list = append(list, f)
		}
	}
	e.mu.Unlock()
	return e.flushFiles(ctx, list)
}

// Figures say how the journal fares, and how much is gathered.
type Figures struct {
	Journal   int64 // bytes on disk
	Unflushed int64 // bytes of memory for what is in no file yet
	Databases int   // that have such
	Flushes   int64 // writings to a file, since the start
	Gathered  int64 // bytes of memory for what is not in its place in a file
}

// Figures are those of now.
func (e *Engine) Figures() Figures {
	e.dues.mu.Lock()
	n := len(e.dues.of)
	e.dues.mu.Unlock()
	figures := Figures{Gathered: e.gatheredBytes.Load()}
	if e.log != nil {
		figures.Journal, figures.Unflushed, figures.Databases, figures.Flushes = e.log.Size(), e.unflushedBytes.Load(), n, e.flushes.Load()
	}
	return figures
}

// releaseJournal lets the journal forget what is in the files.
func (e *Engine) releaseJournal() {
	if e.log == nil {
		return
	}
	e.markDone(e.inFiles())
	if err := e.log.Release(e.inFiles()); err != nil { // the note that has just been written goes along with the rest
		e.opt.Noticed("cannot remove a part of the journal: " + err.Error())
	}
}
