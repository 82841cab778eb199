package bolt

import (
	"context"
	"errors"
	"fmt"
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

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

// Options tune an Engine; the zero value is safe.
type Options struct {
	// LockTimeout is how long to wait for another process to release a file (1 s).
	LockTimeout time.Duration
	// AppendOnly names the spaces whose keys only grow: their pages are filled to the brim
	// instead of being left half empty by splits.
	AppendOnly []engine.Space
	// Damaged is called once for each file that turns out to be damaged or not one of our
	// databases (default: none). It must not call the Engine.
	Damaged func(path string, why error)
	// Kept tells, when a database is dropped, whether its file is to be kept under another name:
	// the one that it had, the time, and KeptSuffix. Whoever gives it its old name again has the
	// database as it was (no file is kept). It must not call the Engine.
	Kept func() bool
	// NoSync skips syncing to disk: a crash of the machine, though not of the process, loses
	// or damages what was written. For tests of something else.
	NoSync bool
}

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

	mu     sync.Mutex       // guards what follows
	files  map[string]*file // open files by path
	going  map[*file]bool   // dropped and damaged ones that still have handles
	lost   map[string]lost  // damaged ones by path
	closed bool

	closeFirst bool           // files are closed before they are renamed or removed
	wg         sync.WaitGroup // closings of files that were replaced
}

// Open makes an Engine of a folder, which it creates if need be. What a crash left of databases that
// were made aside is removed. Half-made files of a database that it left are removed when that
// database is next made or opened.
func Open(dir string, opt Options) (*Engine, error) {
	if opt.LockTimeout == 0 {
		opt.LockTimeout = time.Second
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	if opt.Damaged == nil {
		opt.Damaged = func(string, error) {}
	}
	e := &Engine{dir: dir, opt: opt, files: map[string]*file{}, going: map[*file]bool{}, lost: map[string]lost{}, closeFirst: runtime.GOOS == "windows"}
	for _, s := range opt.AppendOnly {
		e.appendOnly[s&31] = true
	}
	note, err := e.Held(context.Background())
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	e.held.Store(note != nil)
	return e, e.removeAsides()
}

func (e *Engine) path(name string) string {
	return filepath.Join(e.dir, strings.ReplaceAll(name, "/", ".")+suffix)
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

func (e *Engine) Create(ctx context.Context, name string, first ...engine.Entry) (engine.DB, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	db, err := e.create(e.path(name), first)
	return db, systemError(err)
}

// create makes a file. The caller holds mu.
func (e *Engine) create(path string, first []engine.Entry) (engine.DB, error) {
	if e.closed {
		return nil, engine.ErrClosed
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, engine.ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := e.writable(); err != nil {
		return nil, err
	}
	// A drop that a crash cut short may have left sub-databases of an earlier database.
	if err := os.RemoveAll(subsPath(path)); err != nil {
		return nil, err
	}
	if err := makeFile(path, e.opt, first); err != nil {
		return nil, err
	}
	db, err := e.open(path)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return db, nil
}

func (e *Engine) Open(ctx context.Context, name string) (engine.DB, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	db, err := e.open(e.path(name))
	return db, systemError(err)
}

// open returns a handle to a file. The caller holds mu.
func (e *Engine) open(path string) (engine.DB, error) {
	if e.closed {
		return nil, engine.ErrClosed
	}
	f := e.files[path]
	if f == nil {
		if err := e.isLost(path); err != nil {
			return nil, err
		}
		var err error
		if f, err = openFile(e, path); err != nil {
			if errors.Is(err, engine.ErrForeign) {
				e.refuse(path, err)
			}
			return nil, err
		}
		e.files[path] = f
	}
	f.handles++
	return &db{file: f, gone: make(chan struct{})}, nil
}

// release takes a handle off the count; the last one closes the file.
func (e *Engine) release(f *file) error {
	e.mu.Lock()
	f.handles--
	last := f.handles == 0
	if last {
		delete(e.going, f)
	}
	if last && e.files[f.path] == f {
		delete(e.files, f.path)
		defer e.mu.Unlock() // so that nobody opens the file before it is closed
		return f.close()
	}
	e.mu.Unlock()
	if last {
		return f.close()
	}
	return nil
}

func (e *Engine) Drop(ctx context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return systemError(e.drop(e.path(name)))
}

// drop removes a file and its sub-databases. The caller holds mu.
func (e *Engine) drop(path string) error {
	if err := e.writable(); err != nil {
		return err
	}
	if f := e.files[path]; f != nil {
		if err := e.forget(f); err != nil {
			return err
		}
	}
	err := e.takeAway(path)
	if errors.Is(err, fs.ErrNotExist) {
		return engine.ErrNoDB
	}
	if err != nil {
		return err
	}
	return errors.Join(e.dropRest(path), durable.Names(filepath.Dir(path)))
}

// dropRest removes what belongs to a file besides: its sub-databases, and the file of a compaction
// under way. The caller holds mu.
func (e *Engine) dropRest(path string) error {
	temp := os.Remove(path + tempSuffix)
	if errors.Is(temp, fs.ErrNotExist) {
		temp = nil
	}
	subs := subsPath(path)
	delete(e.lost, path)
	maps.DeleteFunc(e.lost, func(p string, _ lost) bool { return strings.HasPrefix(p, subs+string(filepath.Separator)) })
	for p, f := range e.files {
		if strings.HasPrefix(p, subs+string(filepath.Separator)) {
			if err := e.forget(f); err != nil {
				return err
			}
		}
	}
	return errors.Join(temp, os.RemoveAll(subs))
}

// takeAway removes a file. If databases are kept, it gives that of one a name that none has.
func (e *Engine) takeAway(path string) error {
	sub := filepath.Dir(path) != filepath.Clean(e.dir)
	if sub || e.opt.Kept == nil || !e.opt.Kept() {
		return os.Remove(path)
	}
	for at := time.Now().UTC(); ; at = at.Add(time.Second) { // the next second, if it was dropped twice in this one
		kept := strings.TrimSuffix(path, suffix) + at.Format(".20060102.150405") + KeptSuffix
		if _, err := os.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, kept)
		} else if err != nil {
			return err
		}
	}
}

// forget ends the use of an open file that is being removed. The caller holds mu.
func (e *Engine) forget(f *file) error {
	f.drop()
	delete(e.files, f.path)
	e.going[f] = true
	if e.closeFirst {
		return f.closeToRemove()
	}
	return nil
}

func (e *Engine) List(ctx context.Context, after string, limit int) ([]string, error) {
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return nil, engine.ErrClosed
	}
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return nil, systemError(err)
	}
	var names []string
	for _, entry := range entries {
		base, ok := strings.CutSuffix(entry.Name(), suffix)
		name := strings.ReplaceAll(base, ".", "/")
		if ok && !entry.IsDir() && name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names) // a slash sorts differently from its dot
	if limit >= 0 && limit < len(names) {
		names = names[:limit]
	}
	return names, nil
}

// Close closes every file. It waits for transactions under way.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	var errs []error
	for _, f := range e.files {
		errs = append(errs, f.close())
	}
	for f := range e.going {
		errs = append(errs, f.close())
	}
	e.mu.Unlock()
	e.wg.Wait()
	return errors.Join(errs...)
}
