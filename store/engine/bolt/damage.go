package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/tododb/tododb/store/engine"
)

// bbolt trusts what it reads: it panics over a damaged page. If the file is shorter than its
// map, or a page points beyond that, reading faults. Neither may end the process, which has
// other databases. So each call of bbolt recovers, and a fault becomes a panic instead of
// ending the process (heedFaults). After the first panic the file is given up: its calls fail,
// and so does opening it, until another file is there.

// damage is an error about the content of a file.
func (f *file) damage(what any) error {
	return fmt.Errorf("%w: %s: %v", engine.ErrForeign, f.path, what)
}

// heedFaults makes this goroutine panic if reading mapped memory fails. The result is for
// heedNoFaults.
func heedFaults() (before bool) { return debug.SetPanicOnFault(true) }

// heedNoFaults ends that.
func heedNoFaults(before bool) { debug.SetPanicOnFault(before) }

// isFault distinguishes a panic caused by heedFaults from a mistake in the program.
func isFault(p any) bool {
	_, ok := p.(interface{ Addr() uintptr })
	return ok
}

// caught is deferred by every function that calls bbolt.
func (f *file) caught(err *error) {
	if p := recover(); p != nil {
		*err = f.damage(p)
	}
}

// over ends a transaction after fn; p is fn's panic, and err its result. Damage that the reader
// met outranks both: fn may have taken its error for something else.
func (f *file) over(b *bbolt.Tx, r *reader, p any, err error) error {
	defer f.using.Add(-1)
	if p != nil && r.damaged == nil && isFault(p) {
		r.damaged = f.damage(p)
	}
	if rolled := f.rollback(b); rolled != nil {
		return f.giveUp(rolled, true)
	}
	if r.damaged != nil {
		return f.giveUp(r.damaged, false)
	}
	if p != nil {
		if _, ok := p.(error); ok && strings.HasPrefix(fmt.Sprintf("%T", p), "runtime.") {
			p = fmt.Sprintf("%v\n%s", p, debug.Stack()) // the next to recover it cannot see where it began
		}
		panic(p)
	}
	return err
}

// rollback ends a transaction, unless it has been committed.
func (f *file) rollback(b *bbolt.Tx) (err error) {
	defer f.caught(&err)
	if b == nil {
		return nil
	}
	if err := b.Rollback(); !errors.Is(err, berrors.ErrTxClosed) {
		return err
	}
	return nil
}

// giveUp makes all further calls fail. stuck says that bbolt panicked with locks held, so it
// can no longer be closed.
func (f *file) giveUp(why error, stuck bool) error {
	f.swap.Lock()
	first := f.damaged == nil
	if first {
		f.damaged = why
	}
	f.stuck = f.stuck || stuck
	why = f.damaged
	f.swap.Unlock()
	if first {
		f.givenUp.Store(true)
		f.eng.weigh(f)
		f.eng.lose(f, why)
		f.watch.send()
	}
	return why
}

// lost is a file that must not be opened.
type lost struct {
	was fs.FileInfo
	why error
}

// lose takes a damaged file off the books. Whoever holds mu may be waiting for this file's writer, and that may be
// the caller: then it is done once mu is free. Open does it too, so that nobody gets the file meanwhile.
func (e *Engine) lose(f *file, why error) {
	if e.mu.TryLock() {
		e.strike(f, why)
		e.mu.Unlock()
	} else {
		e.wg.Go(func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.strike(f, why)
		})
	}
	e.opt.Damaged(f.path, why)
}

func (f *file) whyDamaged() error {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return f.damaged
}

// strike takes a damaged file off the books, once. The caller holds mu.
func (e *Engine) strike(f *file, why error) {
	if f.struck {
		return
	}
	f.struck = true
	if e.files[f.path] == f {
		delete(e.files, f.path)
		if f.handles > 0 || e.closed { // else nobody would take it off there; Close closes it
			e.going[f] = true
		}
		f.swap.RLock()
		if info, err := f.opened.Stat(); err == nil {
			e.lost[f.path] = lost{info, why}
		}
		f.swap.RUnlock()
	}
	if f.journaled && errors.Is(why, errReplaced) { // the other file counts as it stands
		e.isVoid(f)
	}
}

// refuse remembers that the file at a path cannot be opened. The caller holds mu.
func (e *Engine) refuse(path string, why error) {
	if info, err := os.Stat(path); err == nil {
		e.lost[path] = lost{info, why}
	}
	e.opt.Damaged(path, why)
}

// isLost says why the file at a path must not be opened: nil if it was never lost, or if
// another file is there now. The caller holds mu.
func (e *Engine) isLost(path string) error {
	l, ok := e.lost[path]
	if !ok {
		return nil
	}
	now, err := os.Stat(path)
	if err == nil && os.SameFile(now, l.was) && now.Size() == l.was.Size() && now.ModTime().Equal(l.was.ModTime()) {
		return l.why
	}
	delete(e.lost, path)
	return nil
}
