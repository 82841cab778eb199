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

// What bbolt reads it trusts: over a damaged page it panics, and where the file has become
// shorter than its map, or a page points beyond that, reading faults. Neither may end the
// process, which has other databases. So each call of bbolt's recovers, and reading mapped
// memory panics instead of ending the process (heedFaults). After the first of them the
// file is given up: its calls fail, and so does opening it, until another file is there.

// damage is an error about the content of a file.
func (f *file) damage(what any) error {
	return fmt.Errorf("%w: %s: %v", engine.ErrForeign, f.path, what)
}

// heedFaults has this goroutine panic where reading mapped memory fails. What it returns is
// for heedNoFaults.
func heedFaults() (before bool) { return debug.SetPanicOnFault(true) }

// heedNoFaults ends that.
func heedNoFaults(before bool) { debug.SetPanicOnFault(before) }

// isFault tells a panic that heedFaults brings from a mistake in the program.
func isFault(p any) bool {
	_, ok := p.(interface{ Addr() uintptr })
	return ok
}

// caught is deferred by whatever calls bbolt.
func (f *file) caught(err *error) {
	if p := recover(); p != nil {
		*err = f.damage(p)
	}
}

// over ends a transaction that fn has used; p is what fn has panicked with, and err what
// it has returned. A reader that has met damage counts for more than either: fn may have
// taken its error for something else.
func (f *file) over(b *bbolt.Tx, r *reader, p any, err error) error {
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
			p = fmt.Sprintf("%v\n%s", p, debug.Stack()) // the next to recover it does not see where it was
		}
		panic(p)
	}
	return err
}

// rollback ends a transaction, unless it has been committed.
func (f *file) rollback(b *bbolt.Tx) (err error) {
	defer f.caught(&err)
	if err := b.Rollback(); !errors.Is(err, berrors.ErrTxClosed) {
		return err
	}
	return nil
}

// giveUp has all further calls fail. stuck tells that bbolt has panicked with locks held,
// so that it can't be closed any more.
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
		f.eng.lose(f, why)
		f.watch.send()
	}
	return why
}

// lost is a file that is not to be opened.
type lost struct {
	was fs.FileInfo
	why error
}

// lose takes a damaged file off the books.
func (e *Engine) lose(f *file, why error) {
	info, err := f.opened.Stat()
	e.mu.Lock()
	if e.files[f.path] == f {
		delete(e.files, f.path)
		e.going[f] = true
	}
	if err == nil {
		e.lost[f.path] = lost{info, why}
	}
	e.mu.Unlock()
	e.opt.Damaged(f.path, why)
}

// refuse remembers that the file at a path cannot be opened. The caller holds mu.
func (e *Engine) refuse(path string, why error) {
	if info, err := os.Stat(path); err == nil {
		e.lost[path] = lost{info, why}
	}
	e.opt.Damaged(path, why)
}

// isLost tells why the file at a path is not to be opened: nil if it never was lost, or
// somebody has put another one there. The caller holds mu.
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
