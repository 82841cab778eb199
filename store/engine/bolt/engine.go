package bolt

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/disk"
	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/engine/journal"
)

// KeptSuffix ends the name of the file of a dropped database that was kept.
const KeptSuffix = ".deleted"

const (
	suffix      = ".bolt"
	subsSuffix  = ".subs"
	tempSuffix  = ".new"   // of a file that is not complete yet
	asideSuffix = ".aside" // of a database that has no name yet
)

// Engine keeps databases as files in a folder.
type Engine struct {
	dir string
	opt Options

	appendOnly [32]bool // by space

	held atomic.Bool // nobody may write (Hold)

	log       *journal.Log // nil: there is none
	pending   atomic.Bool  // the file that says what expect does is there
	pendingMu sync.Mutex
	releasing sync.Mutex  // guards what follows
	done      journal.Pos // the files have all before it, says the last note of that in the journal,
	doneEnd   journal.Pos // which ended there
	dues      dues
	unnamed   unnamed
	room      room
	aheads    atomic.Bool // there may be files of what databases' files lack
	flusher
	namesUnsynced atomic.Bool // a removal may not be on disk

	mu      sync.Mutex               // guards what follows
	busy    map[string]chan struct{} // paths of databases that are being made; closed when they are there
	files   map[string]*file         // open files by path
	going   map[*file]bool           // dropped and damaged ones that still have handles
	lost    map[string]lost          // damaged ones by path
	subs    subsNoted
	debts   []debt
	leaving map[debt]bool // those that have a file that says that they are about to go
	closed  bool

	rename     func(from, to string) error // os.Rename
	commit     func(*bbolt.Tx) error       // that of bbolt
	sync       func(*bbolt.DB) error       // that of bbolt, if a commit has failed
	openLocked func(path string, flag int, mode os.FileMode, timeout time.Duration) (*os.File, error)
	closeFirst bool           // files are closed before they are renamed or removed
	wg         sync.WaitGroup // closings of files that were replaced
}

// Open makes an Engine of a folder, which it creates if need be. What a crash left of databases that
// were made aside is removed. Half-made files of a database that it left are removed when that
// database is next made or opened.
func Open(dir string, opt Options) (*Engine, error) {
	opt.complete()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	e := &Engine{
		dir: dir, opt: opt, files: map[string]*file{}, going: map[*file]bool{}, lost: map[string]lost{}, busy: map[string]chan struct{}{},
		rename:     os.Rename,
		commit:     (*bbolt.Tx).Commit,
		sync:       (*bbolt.DB).Sync,
		openLocked: openLocked,
		closeFirst: runtime.GOOS == "windows",
		dues:       dues{of: map[*file]due{}, path: map[string][]*file{}},
	}
	e.subs.seed = maphash.MakeSeed()
	for _, s := range opt.AppendOnly {
		e.appendOnly[s&31] = true
	}
	e.room.of, e.room.patience, e.room.settling = disk.Of, settleWithin, make(chan struct{}, settlers)
	e.scarce()
	note, err := e.Held(context.Background())
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	e.held.Store(note != nil)
	if err := e.lookAround(); err != nil {
		return nil, err
	}
	if err := e.openJournal(); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if opt.Direct && e.log != nil && !opt.AsItIs {
		if err := e.leaveJournal(); err != nil {
			return nil, fmt.Errorf("open data folder: %w", err)
		}
	}
	if e.log == nil {
		if err := e.lookForAheads(); err != nil {
			return nil, fmt.Errorf("open data folder: %w", err)
		}
	}
	e.startFlushing()
	return e, nil
}

// newFile is a file at a path, not yet opened.
func (e *Engine) newFile(path string) *file {
	name := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), suffix), ".", "/")
	f := &file{eng: e, path: path, name: name}
	f.size.Store(unknownSize)
	if !e.isSub(path) && strings.HasSuffix(path, suffix) {
		f.journaled, f.scattered = e.log != nil, e.opt.Scattered&31
	}
	return f
}

func (e *Engine) path(name string) string {
	return filepath.Join(e.dir, strings.ReplaceAll(name, "/", ".")+suffix)
}

// longestName is how many bytes the name of a file may have on nearly all systems. That of a database takes nearly as many.
const longestName = 255

// beside is the path of another file of the database at a path: its name ends in a tail, and may get a longer one later. The end
// of a database's name that is too long for that is left out.
func beside(path, tail, later string) string {
	folder, name := filepath.Split(strings.TrimSuffix(path, suffix))
	return filepath.Join(folder, name[:min(len(name), longestName-len(tail)-len(later))]+tail)
}

// subsPath is the folder of the sub-databases of the database in a file.
func subsPath(path string) string { return strings.TrimSuffix(path, suffix) + subsSuffix }

// Limits of what is written, in bytes.
const (
	maxKey   = 30000
	maxValue = 1 << 30
)

func (e *Engine) Caps() engine.Caps {
	return engine.Caps{MaxKey: maxKey, MaxValue: maxValue, MaxTxBytes: 64 << 20}
}

func (e *Engine) Create(ctx context.Context, name string, first ...engine.Entry) (_ engine.DB, err error) {
	defer func() { err = systemError(err) }()
	path := e.path(name)
	if err := e.lockFor(ctx, path); err != nil {
		return nil, err
	}
	if err := e.mayMake(path); err != nil {
		e.mu.Unlock()
		return nil, err
	}
	if e.log == nil {
		defer e.mu.Unlock()
		if err := e.roomFor(ctx, e.newFile(path), growth(0, 0, 0, 0)); err != nil {
			return nil, err
		}
		return e.create(path, first)
	}
	// Others go on meanwhile, and make theirs: all of them wait for the disk together.
	made := make(chan struct{})
	e.busy[path] = made
	e.mu.Unlock()
	f, err := e.newDatabase(ctx, path, name, first)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.busy, path)
	close(made)
	if err != nil {
		return nil, err
	}
	e.files[path] = f
	f.handles++
	return &db{file: f, gone: make(chan struct{})}, nil
}

// lockFor takes mu once nobody is making a database at a path.
func (e *Engine) lockFor(ctx context.Context, path string) error {
	for {
		e.mu.Lock()
		made := e.busy[path]
		if made == nil {
			return nil
		}
		e.mu.Unlock()
		select {
		case <-made:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// allMade waits for databases that are being made. The caller sees to it that no more are begun.
func (e *Engine) allMade() {
	e.mu.Lock()
	var wait []chan struct{}
	for _, made := range e.busy {
		wait = append(wait, made)
	}
	e.mu.Unlock()
	for _, made := range wait {
		<-made
	}
}

// mayMake checks that a database can be made at a path. The caller holds mu.
func (e *Engine) mayMake(path string) error {
	if e.closed {
		return engine.ErrClosed
	}
	if e.files[path] != nil {
		return engine.ErrExists
	}
	if _, err := os.Lstat(path); err == nil {
		return engine.ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := e.writable(); err != nil {
		return err
	}
	e.dues.takeAt(path) // somebody has removed its file
	// A drop that a crash cut short may have left what belonged to an earlier database.
	if e.subs.may(path) {
		if err := e.dropRest(path); err != nil {
			return err
		}
	}
	return e.removeAhead(path)
}

// create makes a file. The caller holds mu.
func (e *Engine) create(path string, first []engine.Entry) (engine.DB, error) {
	if err := e.mayMake(path); err != nil {
		return nil, err
	}
	if err := makeNamed(path, e.opt, newID(), fill(first)); err != nil {
		return nil, err
	}
	db, err := e.open(path)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return db, nil
}

func (e *Engine) Open(ctx context.Context, name string) (engine.DB, error) {
	path := e.path(name)
	if err := e.lockFor(ctx, path); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	db, err := e.open(path)
	return db, systemError(err)
}

// open returns a handle to a file. The caller holds mu.
func (e *Engine) open(path string) (engine.DB, error) {
	if e.closed {
		return nil, engine.ErrClosed
	}
	f := e.files[path]
	if f != nil {
		if why := f.whyDamaged(); why != nil {
			e.strike(f, why)
			f = nil
		}
	}
	if f != nil && f.handles == 0 {
		if err := f.resume(); err != nil {
			if !errors.Is(err, engine.ErrForeign) {
				return nil, err
			}
			// Another file is in the place of one that the journal goes on from: it counts as it stands.
			e.setAside(f, err)
			f = nil
		}
	}
	if f == nil {
		if err := e.isLost(path); err != nil {
			return nil, err
		}
		if err := e.settled(path); err != nil {
			return nil, err
		}
		var err error
		if f, err = openFile(e, path); err != nil {
			if errors.Is(err, engine.ErrForeign) {
				e.refuse(path, err)
			}
			if errors.Is(err, engine.ErrNoDB) {
				e.dues.takeAt(path)
			}
			return nil, err
		}
		if err := e.takeOver(f); err != nil {
			return nil, errors.Join(err, f.close())
		}
		e.files[path] = f
	}
	f.handles++
	return &db{file: f, gone: make(chan struct{})}, nil
}

// release takes a handle off the count; the last one closes the file.
func (e *Engine) release(f *file) error {
	e.mu.Lock()
	if why := f.whyDamaged(); why != nil {
		e.strike(f, why)
	}
	f.handles--
	last := f.handles == 0
	if last {
		delete(e.going, f)
	}
	if last && e.files[f.path] == f {
		defer e.mu.Unlock() // so that nobody opens the file before it is closed
		if e.closed && f.unflushed() {
			return nil // Close flushes it, and closes it
		}
		rests, err := f.end(true)
		if !rests {
			delete(e.files, f.path)
		}
		return err
	}
	e.mu.Unlock()
	if last {
		return f.close()
	}
	return nil
}

// isSub tells whether the path is that of a sub-database.
func (e *Engine) isSub(path string) bool { return filepath.Dir(path) != filepath.Clean(e.dir) }

// forget ends the use of an open file that is being removed, and what the journal has of it. The caller holds mu.
func (e *Engine) forget(f *file) error {
	err := e.leave(f)
	e.dues.forget(f)
	return err
}

// leave ends the use of an open file that is about to be removed. The caller holds mu.
func (e *Engine) leave(f *file) error {
	f.drop()
	delete(e.files, f.path)
	if f.handles == 0 { // it had rested, to be flushed
		if e.closeFirst && !f.isVirtual() {
			f.flush.Lock() // it may be open for that
			//lint:ignore SA2001 nothing is to be done under it
			f.flush.Unlock()
		}
		return nil
	}
	e.going[f] = true
	if e.closeFirst && !f.isVirtual() {
		return f.closeToRemove()
	}
	return nil
}

func (e *Engine) List(ctx context.Context, after string, limit int) ([]string, error) {
	var names []string
	add := func(name string) {
		if name > after {
			names = append(names, name)
		}
	}
	e.mu.Lock()
	closed := e.closed
	for _, f := range e.files {
		if f.journaled && f.isVirtual() {
			add(f.name)
		}
	}
	e.mu.Unlock()
	if closed {
		return nil, engine.ErrClosed
	}
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return nil, systemError(err)
	}
	for _, entry := range entries {
		if base, ok := strings.CutSuffix(entry.Name(), suffix); ok && !entry.IsDir() {
			add(strings.ReplaceAll(base, ".", "/"))
		}
	}
	slices.Sort(names)            // a slash sorts differently from its dot
	names = slices.Compact(names) // one may have got its file just now
	if limit >= 0 && limit < len(names) {
		names = names[:limit]
	}
	return names, nil
}

// Close writes what the journal has to the files, as much as it can in a time (Options.CloseWithin), and closes them.
// What is left is in the journal, for the next Open. It waits for transactions under way.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.allMade()
	e.stopFlushing()
	if e.log != nil && !e.opt.AsItIs {
		e.setBrokenApart()
	}
	whole := !e.opt.AsItIs && e.flushWithin(e.opt.CloseWithin)
	e.mu.Lock()
	open := slices.Collect(maps.Values(e.files))
	open = slices.AppendSeq(open, maps.Keys(e.going))
	e.mu.Unlock() // who writes may need it to come to an end
	var errs []error
	for _, f := range open {
		errs = append(errs, f.close())
	}
	e.wg.Wait()
	errs = append(errs, e.closeJournal(whole && e.dues.none())) // somebody may have written until the last one was closed
	return errors.Join(errs...)
}
