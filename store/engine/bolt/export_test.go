package bolt

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/disk"
)

// CloseFirst has an engine rename and remove files as it does on Windows.
func (e *Engine) CloseFirst() { e.closeFirst = true }

// FlushOne brings one database to its file.
func (e *Engine) FlushOne(name string) error {
	if err := e.flushTo(context.Background(), e.path(name)); err != nil {
		return err
	}
	e.releaseJournal()
	return nil
}

// ErrBusy says that a flush is not possible at the moment.
var ErrBusy = errBusy

// WriteInVain has a write of a database fail before it reaches the journal.
func (e *Engine) WriteInVain(name string) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f := e.files[e.path(name)]
	t := &light{}
	t.note(0, []byte("vain"), nil, false)
	f.write.Lock()
	defer f.write.Unlock()
	return f.journal(ctx, recordWrite, t)
}

// FlushUnknown brings a database to its file, and has the engine believe that the last sync of that has failed.
func (e *Engine) FlushUnknown(name string) error {
	f := e.files[e.path(name)]
	f.flush.Lock()
	below, m, saved, bytes := f.top, f.now, f.saved, f.topBytes+f.topKeys*weight
	f.flush.Unlock()
	if err := f.flushOut(context.Background()); err != nil {
		return err
	}
	f.above.Add(int64(bytes))
	e.weigh(f)
	f.flush.Lock()
	defer f.flush.Unlock()
	f.swap.Lock()
	defer f.swap.Unlock()
	f.below, f.belowMark, f.belowBytes, f.saved = below, m, bytes, saved
	e.dues.put(f, due{below: 1})
	return nil
}

// FailRename has the replacing of databases fail, and the renaming of those that are kept.
func (e *Engine) FailRename() {
	e.rename = func(string, string) error { return errors.New("it is not renamed") }
}

// CommitInVain has the next commits fail before they have written anything, though nobody knows that.
func (e *Engine) CommitInVain() {
	e.commit = func(tx *bbolt.Tx) error { return errors.Join(tx.Rollback(), syscall.EIO) }
}

// FullAtLast has the last sync of each commit find that the disk is full, or ends that.
func (e *Engine) FullAtLast(full bool) {
	e.commit = (*bbolt.Tx).Commit
	if full {
		e.commit = func(tx *bbolt.Tx) error {
			return errors.Join(tx.Commit(), &os.PathError{Op: "fdatasync", Path: "it", Err: syscall.ENOSPC})
		}
	}
}

// OpenInVain has the opening of files fail, as if there were too many open, or ends that.
func (e *Engine) OpenInVain(vain bool) {
	e.openLocked = openLocked
	if vain {
		e.openLocked = func(path string, _ int, _ os.FileMode, _ time.Duration) (*os.File, error) {
			return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EMFILE}
		}
	}
}

// OnRename has something done before and after databases are renamed.
func (e *Engine) OnRename(do func()) {
	e.rename = func(from, to string) error {
		do()
		defer do()
		return os.Rename(from, to)
	}
}

// FlushUnnamed brings a database to its file, whose name is not on disk yet.
func (e *Engine) FlushUnnamed(name string) error {
	if err := e.files[e.path(name)].flushLayers(context.Background()); err != nil {
		return err
	}
	e.releaseJournal()
	return nil
}

// AheadSuffix ends the name of a file of what a database's file lacks.
const AheadSuffix = aheadSuffix

// ReleaseWhileDropping lets go of what the journal has of a database, as a drop does before the removal of the file is on
// disk, and has the flusher release the journal just then. It returns from where on the journal is there.
func (e *Engine) ReleaseWhileDropping(name string) (before, then uint64) {
	before = uint64(e.log.Start())
	released := make(chan struct{})
	e.mu.Lock()
	e.dues.takeAt(e.path(name))
	go func() {
		defer close(released)
		e.releaseJournal()
	}()
	select {
	case <-released: // it does not wait for the drop
	case <-time.After(50 * time.Millisecond):
	}
	then = uint64(e.log.Start())
	e.mu.Unlock()
	<-released
	return before, then
}

// SetBrokenApart does what the flusher does with what the journal has of damaged files.
func (e *Engine) SetBrokenApart() {
	if e.log == nil {
		return
	}
	e.setBrokenApart()
	e.releaseJournal()
}

// SetApart copies what only the journal has of a database to a file of its own.
func (e *Engine) SetApart(name string) error { return e.setApart(e.files[e.path(name)]) }

// UseReserve writes to the journal what is written on a full disk, until there is no room for that either.
func (e *Engine) UseReserve() error {
	for {
		if err := e.recordDrop(context.Background(), debt{"nobody", "none"}); err != nil {
			return err
		}
	}
}

// GatherUnknown has the engine believe that nobody knows whether what change does was committed, which it was, or else,
// with change nil, that a commit failed that would have gathered nothing any more.
func (e *Engine) GatherUnknown(name string, change func()) error {
	f := e.files[e.path(name)]
	was := f.gathered
	if change != nil {
		change()
	}
	tx, _, err := f.read()
	if err != nil {
		return err
	}
	by := tx.ID()
	if err := tx.Rollback(); err != nil {
		return err
	}
	f.using.Add(-1)
	f.flush.Lock()
	defer f.flush.Unlock()
	if change == nil {
		was = f.settleGathered(by + 1) // the commit before that may be one of which nobody knows
	}
	f.swap.Lock()
	defer f.swap.Unlock()
	if f.gatherNext, f.gatherBy = f.gathered, by; change == nil {
		f.gatherNext, f.gatherBy = &gathered{t: newTree()}, by+1
	}
	f.publish(was)
	return nil
}

// DrainSome has the sweep go on in a transaction of its own.
func (e *Engine) DrainSome(name string) error {
	return e.files[e.path(name)].drain(context.Background())
}

// FailGrowing has each commit fail that needs more room than a database's file has, or ends that.
func (e *Engine) FailGrowing(fail bool) {
	of := disk.Of
	if fail {
		of = func(string) (disk.Space, error) { return disk.Space{Used: 1 << 40, Free: nothing}, nil }
	}
	e.DiskIs(of)
}

// DiskIs has the engine believe something of the disk.
func (e *Engine) DiskIs(of func(folder string) (disk.Space, error)) {
	e.room.asking.Lock()
	e.room.of = of
	e.room.asking.Unlock()
	e.scarce()
}

// Patience has writers wait for others as long as that.
func (e *Engine) Patience(d time.Duration) { e.room.patience = d }

// SettleAll brings to the files what stands above all of them, as a writer does who needs room.
func (e *Engine) SettleAll() {
	flushed, _ := e.trySettle(nil)
	for _, f := range flushed {
		e.letGo(f)
	}
}

// Known is how many databases the engine has on its books, those included that are gone and in use.
func (e *Engine) Known() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.files) + len(e.going)
}

// Needed is by how much the files may grow for what stands only in the journal.
func (e *Engine) Needed() int64 { return e.room.needed.Load() }

// PagesEnd is where the last page of a file ends.
func PagesEnd(path string) (int64, error) {
	opened, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer opened.Close()
	end, _ := (&file{opened: opened}).inUse()
	return end, nil
}

// CommitUnknown has the engine believe that nobody knows whether a large transaction was committed to a database's file: what
// change does, which was, or else, with change nil, one that was not.
func (e *Engine) CommitUnknown(name string, change func()) error {
	f := e.files[e.path(name)]
	f.write.Lock()
	was, now, saved, above, entries := f.layers, f.now, f.saved, f.above.Load(), f.aboveKeys.Load()
	keys, bytes := f.topKeys, f.topBytes
	d := e.dues.at(f.path)[f]
	f.write.Unlock()
	if change != nil {
		change()
	}
	tx, _, err := f.read()
	if err != nil {
		return err
	}
	was.by = tx.ID()
	if change == nil {
		was.by++
	}
	if err := tx.Rollback(); err != nil {
		return err
	}
	f.using.Add(-1)
	f.write.Lock()
	defer f.write.Unlock()
	f.flush.Lock()
	defer f.flush.Unlock()
	f.swap.Lock()
	defer f.swap.Unlock()
	f.layers, f.now, f.saved, f.direct = was, now, saved, true
	f.topKeys, f.topBytes = keys, bytes
	f.above.Store(above)
	f.aboveKeys.Store(entries)
	e.weigh(f)
	e.dues.put(f, d)
	return nil
}
