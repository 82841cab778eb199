package bolt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// aside is a handle to a database that is made aside: a file whose name ends otherwise. Nothing in it
// is synced before it is published.
type aside struct {
	*db
	to   string // the path that it is to have
	once sync.Once
}

// asideID is how many random bytes tell apart what is made aside for one name.
const asideID = 8

func (e *Engine) Aside(ctx context.Context, name string) (_ engine.Aside, err error) {
	defer func() { err = systemError(err) }()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.writable(); err != nil {
		return nil, err
	}
	id := make([]byte, asideID)
	rand.Read(id)
	to := e.path(name)
	path := beside(to, "."+hex.EncodeToString(id)+asideSuffix, tempSuffix)
	opt := e.opt
	opt.NoSync = true
	if err := makeFile(path, opt, newID(), fill(nil)); err != nil {
		return nil, err
	}
	opened, err := e.open(path)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	d := opened.(*db)
	d.file.bolt.NoSync, d.file.bolt.NoGrowSync = true, true
	return &aside{db: d, to: to}, nil
}

// Close deletes the file, unless it has another name by now.
func (a *aside) Close() (err error) {
	a.once.Do(func() { err = errors.Join(a.db.Close(), removeIfThere(a.file.path)) })
	return err
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (a *aside) Publish(ctx context.Context) error { return a.publish(ctx, false) }
func (a *aside) Replace(ctx context.Context) error { return a.publish(ctx, true) }

func (a *aside) publish(ctx context.Context, replace bool) (err error) {
	defer func() { err = systemError(errors.Join(err, a.Close())) }()
	if err := errors.Join(a.ready(ctx), a.file.stateNow()); err != nil {
		return err
	}
	e := a.file.eng
	if !e.opt.NoSync {
		if err := a.file.sync(); err != nil {
			return err
		}
	}
	if err := a.db.Close(); err != nil {
		return err
	}
	if replace { // what it replaces has a file then, and is there as long as that has not been replaced
		if err := e.flushTo(ctx, a.to); err != nil {
			return err
		}
	}
	if err := e.lockFor(ctx, a.to); err != nil {
		return err
	}
	defer e.mu.Unlock()
	if err := e.writable(); err != nil {
		return err
	}
	if err := e.payDebts(ctx); err != nil {
		return err
	}
	was, gone, err := e.makeWay(a.to, replace)
	if err == nil {
		err = e.rename(a.file.path, a.to)
	}
	if was != nil && was.isVirtual() {
		was.flush.Unlock()
	}
	if err != nil {
		return errors.Join(err, e.comeBack(was))
	}
	// Only now: until its file is another one, the database is there, with what the journal has of it.
	if was != nil {
		was.remove()
	}
	e.dues.takeAt(a.to)
	err = errors.Join(e.removeAhead(a.to), e.syncNames())
	if err != nil {
		e.namesUnsynced.Store(true)
	}
	if gone != "" {
		// It has taken place, whatever becomes of this.
		_ = e.owe(ctx, debt{e.newFile(a.to).name, gone})
	}
	return err
}

// sync makes what was written durable.
func (f *file) sync() (err error) {
	f.write.Lock()
	defer f.write.Unlock()
	defer f.caught(&err)
	return f.bolt.Sync()
}

// makeWay ends the use of the database at a path, which is about to be replaced, and removes its sub-databases.
// A crash then leaves it without them, and they are made anew. It returns its file if that was in use, with flush held if it
// is virtual, and its id if there was a database. The caller holds mu.
func (e *Engine) makeWay(path string, replace bool) (was *file, gone engine.DBID, err error) {
	f := e.files[path]
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) && f == nil {
		// A drop that a crash cut short may have left sub-databases of an earlier database.
		return nil, "", e.dropRest(path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	if !replace {
		return nil, "", engine.ErrExists
	}
	if f == nil {
		if err := notInUse(path, e.opt); err != nil {
			return nil, "", err
		}
		gone, _ := e.whoIs(path)
		return nil, gone, e.dropRest(path)
	}
	f.stayVirtual() // a file that came now would take the place of the new one
	if err := e.leave(f); err != nil {
		return f, f.id, err
	}
	return f, f.id, e.dropRest(path)
}

// comeBack has a database be there as before, though its use has ended: it has not been replaced after all. The caller
// holds mu.
func (e *Engine) comeBack(was *file) error {
	if was == nil || !was.journaled || was.removed.Load() {
		return nil
	}
	was.write.Lock()
	defer was.write.Unlock()
	was.flush.Lock()
	defer was.flush.Unlock()
	if _, there := e.dues.at(was.path)[was]; !there { // its file is all of it
		return nil
	}
	if err := was.nameIt(); err != nil { // the next to open it tries again
		return err
	}
	d, there := e.dues.at(was.path)[was]
	if !there {
		return nil
	}
	f := e.newFile(was.path)
	f.name, f.id, f.virtual, f.resting, f.saved = was.name, was.id, was.virtual, true, was.saved
	f.size.Store(was.size.Load())
	e.inherit(f, was, d)
	e.dues.forget(was)
	e.files[f.path] = f
	return nil
}

// notInUse makes sure that no other process has a file open.
func notInUse(path string, opt Options) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	free, err := lockFile(f, opt.LockTimeout)
	if err == nil && !free {
		err = fmt.Errorf("%w: %s is in use by another process", engine.ErrUnavailable, path)
	}
	return errors.Join(err, f.Close())
}

// lookAround notes which databases have sub-databases, and removes what no process is making any more. What cannot be
// removed, because another process has it open on a system without locks, is left to the next start.
func (e *Engine) lookAround() error {
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return fmt.Errorf("open data folder: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(e.dir, entry.Name())
		e.subs.noteFolder(path)
		if isAside(path) && notInUse(path, Options{}) == nil {
			_ = os.Remove(path)
		}
	}
	return nil
}

// isAside tells whether a file is that of a database that is, or was, made aside.
func isAside(path string) bool {
	name, _ := strings.CutSuffix(path, tempSuffix)
	return strings.HasSuffix(name, asideSuffix)
}
