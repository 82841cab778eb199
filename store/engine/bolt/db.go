package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

// db is a handle to a file.
type db struct {
	file *file
	once sync.Once
	gone chan struct{} // closed by Close
}

func (d *db) ID() engine.DBID { return d.file.id }

// ready checks that the handle may still be used.
func (d *db) ready(ctx context.Context) error {
	select {
	case <-d.gone:
		return engine.ErrClosed
	default:
		return ctx.Err()
	}
}

func (d *db) View(ctx context.Context, fn func(engine.Reader) error) (err error) {
	if err := d.ready(ctx); err != nil {
		return err
	}
	defer heedNoFaults(heedFaults())
	f := d.file
	b, over, err := f.read()
	if err != nil {
		return err
	}
	r := readers.Get().(*reader)
	r.begin(ctx, f, b)
	r.over = over
	defer func() {
		err = f.over(b, r, recover(), err)
		*r = reader{}
		readers.Put(r)
	}()
	return fn(r)
}

func (d *db) Update(ctx context.Context, fn func(engine.Tx) error) (err error) {
	defer heedNoFaults(heedFaults())
	f := d.file
	f.write.Lock()
	defer f.write.Unlock()
	if err := d.ready(ctx); err != nil {
		return err
	}
	if f.eng.held.Load() {
		return engine.ErrHeld
	}
	if f.unsynced {
		if err := durable.Names(filepath.Dir(f.path)); err != nil {
			return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
		}
		f.unsynced = false
	}
	if err := f.inPlace(); err != nil {
		return err
	}
	if f.journaled && !f.direct && !f.behind() {
		err = f.updateLight(ctx, fn)
	} else {
		err = f.into(ctx, func(t *tx) error { return fn(t) })
	}
	if err == nil {
		f.watch.send()
	}
	return err
}

// behind tells that so much waits to be flushed that a writer does it himself, and waits for it: the disk may be
// full, or slow.
func (f *file) behind() bool {
	e := f.eng
	return f.above.Load() > 4*e.opt.FlushBytes ||
		f.above.Load() > 0 && (e.log.Size() > 2*e.opt.JournalBytes || e.unflushedBytes.Load() > 4*e.opt.UnflushedBytes)
}

// growBy is how much longer a full file gets. It is enough not to grow, and sync, often. It is
// in proportion, so that small databases stay small.
func growBy(size int64) int {
	return int(min(max(size/4, 64<<10), 16<<20))
}

// commitError distinguishes a full disk, after which the file is unchanged, from a failing one,
// after which nobody knows what is on it. by is the number of the transaction. The caller holds flush.
func (f *file) commitError(err error, by int) error {
	if errors.Is(err, engine.ErrForeign) {
		return err // bbolt met a damaged page before it wrote the meta page that makes a commit valid
	}
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		return errKept // bbolt has written nothing
	}
	// A disk that promises more than it has may say only at the last sync that it is full.
	if err := systemError(err); errors.Is(err, engine.ErrFull) && !f.mayHave(by) {
		f.giveBack()
		return err
	}
	f.shaky = true
	return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
}

// mayHave tells whether a transaction may have taken place. The caller holds flush.
func (f *file) mayHave(by int) bool {
	info, err := f.opened.Stat()
	if err != nil {
		return true
	}
	p, err := openPages(f.opened, info.Size())
	return err != nil || p.txid >= uint64(by)
}

// systemError recognizes what the operating system has run out of. Every method of the engine
// that opens or makes a file passes its errors through it.
func systemError(err error) error { return engine.SystemError(err) }

// stageBytes is how much Stage writes in one transaction.
const stageBytes = 4 << 20

func (d *db) Stage(ctx context.Context, s engine.Space, kvs iter.Seq2[[]byte, []byte]) error {
	next, stop := iter.Pull2(kvs)
	defer stop()
	for more := true; more; {
		err := d.Update(ctx, func(t engine.Tx) error {
			size := 0
			for size < stageBytes {
				k, v, ok := next()
				if !ok {
					more = false
					return nil
				}
				size += len(k) + len(v)
				if err := t.Put(s, k, v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *db) subPath(name string) string {
	return filepath.Join(subsPath(d.file.path), strings.ReplaceAll(name, "/", ".")+suffix)
}

// Subs lists the sub-databases, with a dot for each slash in a name.
func (d *db) Subs(ctx context.Context) (names []string, err error) {
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	paths, err := subFiles(d.file.path)
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), suffix))
	}
	return names, err
}

// subFiles lists the files of a database's sub-databases. The path is no pattern, whatever is in the folder's name.
func subFiles(path string) (paths []string, err error) {
	entries, err := os.ReadDir(subsPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			paths = append(paths, filepath.Join(subsPath(path), e.Name()))
		}
	}
	return paths, err
}

func (d *db) Sub(ctx context.Context, name string) (_ engine.DB, err error) {
	defer func() { err = systemError(err) }()
	if err := d.ready(ctx); err != nil {
		return nil, err
	}
	e := d.file.eng
	e.mu.Lock() // while this is held, nobody drops the database or makes another of its name
	defer e.mu.Unlock()
	if err := d.file.stateNow(); err != nil {
		return nil, err
	}
	path := d.subPath(name)
	e.subs.note(d.file.path)
	sub, err := e.open(path)
	if !errors.Is(err, engine.ErrNoDB) {
		return sub, err
	}
	folder := filepath.Dir(path)
	if err := os.Mkdir(folder, 0o700); err == nil && !e.opt.NoSync {
		err = durable.Names(filepath.Dir(folder))
		if err != nil {
			return nil, err
		}
	} else if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return e.create(path, nil)
}

func (d *db) DropSub(ctx context.Context, name string) (err error) {
	defer func() { err = systemError(err) }()
	if err := d.ready(ctx); err != nil {
		return err
	}
	e := d.file.eng
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := d.file.stateNow(); err != nil {
		return err
	}
	err = e.drop(d.subPath(name))
	if errors.Is(err, engine.ErrNoDB) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *db) Watch() engine.Watcher { return d.file.watch.subscribe() }

func (d *db) Close() (err error) {
	d.once.Do(func() {
		close(d.gone)
		_ = d.file.findOut(d.file.eng.untilStop) // else the flusher does
		err = d.file.eng.release(d.file)
	})
	return err
}

func (d *db) Size(ctx context.Context) (int64, error) {
	if err := errors.Join(d.ready(ctx), d.file.stateNow()); err != nil {
		return 0, err
	}
	if d.file.isVirtual() {
		return d.file.sizeToBe(), nil
	}
	fi, err := os.Stat(d.file.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, engine.ErrNoDB
	}
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// bucketName is the name of a space's bucket.
func bucketName(s engine.Space) []byte { return []byte{byte(s)} }
