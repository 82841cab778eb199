package bolt

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

func (e *Engine) Drop(ctx context.Context, name string) error {
	path := e.path(name)
	for full := false; ; {
		if err := e.lockFor(ctx, path); err != nil {
			return err
		}
		f := e.files[path]
		if f == nil || full || !e.keeps() || !f.unflushed() || e.held.Load() {
			break
		}
		e.mu.Unlock() // the file that is kept is the whole database
		// A drop must be possible on a full disk. What does not fit into the file may fit beside it, but not any
		// more once a flush has failed.
		apart := e.setApart(f)
		err := f.flushOut(ctx)
		if full = errors.Is(err, engine.ErrFull); full {
			if err = nil; apart != nil {
				e.opt.Noticed("the disk is full: the file that is kept of a dropped database lacks what was written to it last: " + path)
			}
		}
		if err != nil && !errors.Is(err, engine.ErrNoDB) {
			return systemError(err)
		}
	}
	defer e.mu.Unlock()
	return systemError(e.dropDatabase(ctx, path, name))
}

// dropDatabase removes a database and its sub-databases. The caller holds mu.
func (e *Engine) dropDatabase(ctx context.Context, path, name string) error {
	if err := e.writable(); err != nil {
		return err
	}
	if err := e.payDebts(ctx); err != nil && !errors.Is(err, engine.ErrFull) { // a drop must be possible on a full disk
		return err
	}
	f := e.files[path]
	if f == nil {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return engine.ErrNoDB
		}
	}
	id, now := e.whoIs(path)
	if f != nil && f.stayVirtual() {
		// The record is all that removes it, or the file in its place.
		defer f.flush.Unlock()
		err := e.recordDrop(ctx, debt{name, id})
		if errors.Is(err, engine.ErrFull) {
			if err = e.putLeaving(debt{name, id}); err == nil {
				e.debts = append(e.debts, debt{name, id})
			}
		}
		if err != nil {
			return err
		}
		return errors.Join(e.forget(f), e.dropRest(path), e.removeAhead(path))
	}
	owes, err := e.leaves(ctx, debt{name, id}, now)
	if err == nil {
		if err = e.drop(path); err != nil && !errors.Is(err, engine.ErrNoDB) {
			e.nameAll() // the journal says that without its file it is gone
			err = errors.Join(err, e.comeBack(f))
		}
	}
	if owes {
		// It is gone, or was not there; or else the next start finds it as it is now.
		if _, there := os.Lstat(path); errors.Is(there, fs.ErrNotExist) {
			if owed := e.owe(ctx, debt{name, id}); !errors.Is(owed, engine.ErrFull) { // else it is said when there is room
				err = errors.Join(err, owed)
			}
		} else {
			e.removeLeaving(debt{name, id})
		}
	}
	return err
}

// whoIs is the identity of the database at a path, and its state; nothing if neither can be read. The caller holds mu.
func (e *Engine) whoIs(path string) (engine.DBID, mark) {
	if f := e.files[path]; f != nil {
		return f.id, mark{pos: math.MaxUint64} // somebody may be writing
	}
	id, b, err := readMark(path)
	if err != nil {
		id = ""
		for f := range e.dues.at(path) {
			id = f.id // damaged
		}
		return id, mark{pos: math.MaxUint64}
	}
	of, m := parseMark(b)
	if e.log != nil && of != e.log.ID() {
		m = mark{}
	}
	return id, m
}

// drop removes a file and its sub-databases. The caller holds mu.
func (e *Engine) drop(path string) error {
	if err := e.writable(); err != nil {
		return err
	}
	f := e.files[path]
	if f != nil {
		if err := e.leave(f); err != nil {
			return err
		}
	}
	err := e.takeAway(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = engine.ErrNoDB
	} else if err != nil {
		return err // what the journal has of it is there when it is opened again
	}
	if f != nil {
		f.remove()
	}
	e.dues.takeAt(path)
	if err != nil {
		return err
	}
	rest, names := errors.Join(e.dropRest(path), e.removeAhead(path)), durable.Names(filepath.Dir(path))
	if names != nil {
		e.namesUnsynced.Store(true)
	}
	return errors.Join(rest, names)
}

// dropRest removes what belongs to a file besides: its sub-databases, and the file of a compaction
// under way. The caller holds mu.
func (e *Engine) dropRest(path string) error {
	temp := os.Remove(path + tempSuffix)
	if errors.Is(temp, fs.ErrNotExist) {
		temp = nil
	}
	subs := subsPath(path)
	below := subs + string(filepath.Separator)
	delete(e.lost, path)
	maps.DeleteFunc(e.lost, func(p string, _ lost) bool { return strings.HasPrefix(p, below) })
	for p, f := range e.files {
		if strings.HasPrefix(p, below) {
			if err := e.forget(f); err != nil {
				return err
			}
		}
	}
	return errors.Join(temp, os.RemoveAll(subs))
}

// takeAway removes a file. If databases are kept, it gives that of one a name that none has.
func (e *Engine) takeAway(path string) error {
	if e.isSub(path) || !e.keeps() {
		return os.Remove(path)
	}
	for at := time.Now().UTC(); ; at = at.Add(time.Second) { // the next second, if it was dropped twice in this one
		kept := beside(path, at.Format(".20060102.150405")+KeptSuffix, aheadSuffix)
		if _, err := os.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			return e.keep(path, kept)
		} else if err != nil {
			return err
		}
	}
}

// keep gives a file another name, with what is set apart of it. Whatever stops it, that is there under the name of the file.
func (e *Engine) keep(path, kept string) error {
	was, is := path+aheadSuffix, kept+aheadSuffix
	err := os.Link(was, is)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // there are disks without links
		err = os.Rename(was, is)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	apart := err == nil
	if err = e.rename(path, kept); err == nil || !apart {
		return err // what has the old name still is removed next
	}
	if _, there := os.Lstat(was); errors.Is(there, fs.ErrNotExist) {
		return errors.Join(err, os.Rename(is, was))
	}
	return errors.Join(err, os.Remove(is))
}

func (e *Engine) keeps() bool { return e.opt.Kept != nil && e.opt.Kept() }
