package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

// dirtySet holds what was written during the copy of a compaction: these keys may be out of
// date in the copy. A nil set ignores what is added.
type dirtySet struct {
	keys map[string]struct{} // bucket and key
}

func (d *dirtySet) add(touched []engine.SpaceKey) {
	if d == nil {
		return
	}
	for _, t := range touched {
		d.keys[string(byte(t.Space))+string(t.Key)] = struct{}{}
	}
}

const (
	copyKeys  = 4096    // entries copied in one snapshot, and
	copyBytes = 4 << 20 // bytes; each part begins with the pages where the last one ended, once more
	syncBytes = 8 << 20 // this much of the copy waits to be synced
	fewDirty  = 1000    // this many are copied while writers wait
)

// Compact copies the file, entry by entry in order, into one without holes, and puts that in
// its place. Snapshots are short, so a writer that has to grow the file never waits for the
// copy. Keys written in the meantime are noted and copied again, until so few are left that
// writers can wait for them.
func (d *db) Compact(ctx context.Context) (err error) {
	defer func() { err = systemError(err) }()
	if err := d.ready(ctx); err != nil {
		return err
	}
	f := d.file
	if !f.compacting.TryLock() {
		if err := f.stateNow(); err != nil {
			return err // close waits while it holds the lock
		}
		return errors.New("bolt: compaction is running")
	}
	defer f.compacting.Unlock()
	if err := f.findOut(ctx); err != nil {
		return err
	}
	if err := f.flushOut(ctx); err != nil {
		return err
	}
	defer f.still.Store(false)
	for {
		if err := f.disperse(ctx); err != nil {
			return err
		}
		if f.flush.Lock(); !f.hasGathered() {
			break
		}
		f.flush.Unlock() // a transaction was under way that had begun before
	}
	if f.resting || f.isVirtual() {
		f.flush.Unlock()
		return engine.ErrClosed
	}
	f.dirty = &dirtySet{keys: map[string]struct{}{}}
	f.flush.Unlock()
	defer func() {
		f.flush.Lock()
		f.dirty = nil
		f.flush.Unlock()
	}()

	to, opened, err := f.openTemp()
	if err != nil {
		return err
	}
	defer heedNoFaults(heedFaults())
	c := copier{ctx: ctx, from: f, to: to, opened: opened}
	if err := c.run(); err != nil {
		return errors.Join(err, to.Close(), f.removeTemp())
	}
	return nil
}

// errFailed says that a compaction met a commit of which nobody knows whether it took place. The file tells, and not
// its copy, whose transactions have other numbers.
var errFailed = fmt.Errorf("%w: a transaction failed while the file was compacted", engine.ErrUnavailable)

// openTemp makes the file that a compaction fills. A new database of this name would use the
// same file name, so the file is ours only until this database is dropped.
func (f *file) openTemp() (to *bbolt.DB, opened *os.File, err error) {
	f.swap.RLock()
	defer f.swap.RUnlock()
	if err := f.state(); err != nil {
		return nil, nil, err
	}
	temp := f.path + tempSuffix
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	o := boltOptions(f.eng.opt)
	o.NoSync, o.NoGrowSync = true, true // synced once, when it is complete, and no larger than needed
	o.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
		opened, err = os.OpenFile(name, flag, mode)
		return opened, err
	}
	if to, err = bbolt.Open(temp, 0o600, o); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("compact into %s: %w", temp, err), removeIfThere(temp))
	}
	to.AllocSize = 64 << 10
	return to, opened, nil
}

// removeTemp removes that file, unless drop has done so.
func (f *file) removeTemp() error {
	f.swap.RLock()
	defer f.swap.RUnlock()
	if f.dropped {
		return nil
	}
	return os.Remove(f.path + tempSuffix)
}

type copier struct {
	ctx    context.Context
	from   *file
	to     *bbolt.DB
	opened *os.File // the file of to

	unsynced int // bytes
}

func (c *copier) run() error {
	names, err := c.buckets()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.bucket(name); err != nil {
			return err
		}
	}
	for {
		if !c.from.eng.opt.NoSync {
			if err := c.to.Sync(); err != nil { // so that writers do not wait for this
				return err
			}
		}
		keys, err := c.settle()
		if err != nil || keys == nil {
			return err
		}
		if err := c.catchUp(keys); err != nil {
			return err
		}
	}
}

// settle ends the compaction if few keys are left to copy, else it returns them.
func (c *copier) settle() (keys map[string]struct{}, err error) {
	f := c.from
	f.write.Lock()
	defer f.write.Unlock()
	f.flush.Lock()
	defer f.flush.Unlock()
	if f.by != 0 {
		return nil, errFailed
	}
	if len(f.dirty.keys) <= fewDirty {
		return nil, c.finish()
	}
	keys = f.dirty.keys
	f.dirty.keys = map[string]struct{}{}
	return keys, nil
}

func (c *copier) buckets() (names [][]byte, err error) {
	err = c.view(func(r *reader) error {
		all := place{m: &r.pages, top: r.pages.node(r.root), keys: true}
		for k, _ := all.First(); k != nil; k, _ = all.Next() {
			names = append(names, bytes.Clone(k))
		}
		return nil
	})
	return names, err
}

func (c *copier) view(fn func(*reader) error) (err error) {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	f := c.from
	tx, _, err := f.read()
	if err != nil {
		return err
	}
	r := newReader(c.ctx, f, tx)
	defer func() { err = f.over(tx, &r, recover(), err) }()
	defer r.caught(&err) // fn only calls bbolt
	err = fn(&r)
	for _, wrong := range []error{errAstray, berrors.ErrKeyRequired, berrors.ErrKeyTooLarge, berrors.ErrValueTooLarge, berrors.ErrIncompatibleValue} {
		if errors.Is(err, wrong) {
			err = r.spoil(err)
		}
	}
	return err
}

// errAstray says that keys are not in order: a copy would not end.
var errAstray = errors.New("keys are out of order")

// write writes to the copy, unless that takes what the files need.
func (c *copier) write(fn func(*bbolt.Tx) error) error {
	return limited(c.to.Update(func(out *bbolt.Tx) error {
		c.from.eng.limit(c.to, out.Size(), 0, true)
		return fn(out)
	}))
}

// bucket copies one bucket in order, a part in each snapshot.
func (c *copier) bucket(name []byte) error {
	var after []byte
	for more := true; more; {
		size := 0
		err := c.view(func(r *reader) error { // it outlives the transaction, which keeps the values until its commit
			return c.write(func(out *bbolt.Tx) error {
				to, err := out.CreateBucketIfNotExists(name)
				if err != nil {
					return err
				}
				to.FillPercent = copyFill
				after, more, err = walkPart(r, name, after, func(k, v []byte) error {
					size += len(k) + len(v)
					return to.Put(k, v)
				})
				return err
			})
		})
		if err == nil {
			err = c.rest(size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyFill is how full pages of the copy get: a little room delays the first splits.
const copyFill = 0.95

// walkPart calls fn for some entries of a bucket, those behind a key. It returns the last of them, and
// whether there are more.
func walkPart(r *reader, name, after []byte, fn func(k, v []byte) error) (last []byte, more bool, err error) {
	top, _ := r.named(name)
	cur := place{m: &r.pages, top: top}
	k, v := cur.Seek(after)
	if k != nil && after != nil && bytes.Equal(k, after) {
		k, v = cur.Next()
	}
	for n, size := 0, 0; k != nil; k, v = cur.Next() {
		if after != nil && bytes.Compare(k, after) <= 0 {
			return nil, false, errAstray
		}
		if n >= copyKeys || size >= copyBytes {
			return after, true, nil
		}
		if err := fn(k, v); err != nil {
			return nil, false, err
		}
		n, size = n+1, size+len(k)+len(v)
		after = append(after[:0:0], k...)
	}
	return after, false, nil
}

// rest is called after a part was copied, while no transaction is open. What was copied goes to
// disk bit by bit: one large sync would keep commits waiting.
func (c *copier) rest(bytes int) error {
	if c.unsynced += bytes; c.unsynced >= syncBytes && !c.from.eng.opt.NoSync {
		c.unsynced = 0
		if err := c.to.Sync(); err != nil {
			return err
		}
	}
	return engine.Throttled(c.ctx, bytes)
}

// catchUp copies the present state of some keys.
func (c *copier) catchUp(keys map[string]struct{}) error {
	for len(keys) > 0 {
		err := c.view(func(r *reader) error {
			return c.write(func(out *bbolt.Tx) error {
				n := 0
				for key := range keys {
					if n++; n > copyKeys {
						break
					}
					if err := copyKey(r, out, engine.Space(key[0]), []byte(key[1:])); err != nil {
						return err
					}
					delete(keys, key)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func copyKey(r *reader, out *bbolt.Tx, s engine.Space, key []byte) error {
	to, err := out.CreateBucketIfNotExists(bucketName(s))
	if err != nil {
		return err
	}
	v, err := r.Get(s, key)
	if err != nil {
		return err
	}
	if v == nil {
		return to.Delete(key)
	}
	return to.Put(key, v)
}

// finish copies the last keys and swaps the files. The caller holds write and flush, so nothing is
// written in the meantime. After an error the old file stays in use.
func (c *copier) finish() error {
	f := c.from
	if err := c.catchUp(f.dirty.keys); err != nil {
		return err
	}
	if f.journaled && !f.direct {
		err := c.write(func(tx *bbolt.Tx) error { return tx.Bucket(idBucket).Put(markKey, f.saved.encode(f.eng.log.ID())) })
		if err != nil {
			return err
		}
	}
	if err := c.to.Sync(); err != nil {
		return err
	}
	free := countFree(c.opened)
	if err := f.inPlace(); err != nil { // not over the file that somebody has put there
		return err
	}
	if f.eng.closeFirst {
		return f.idle(c.replace)
	}
	f.swap.Lock()
	defer f.swap.Unlock()
	if err := f.state(); err != nil {
		return err
	}
	if err := os.Rename(f.path+tempSuffix, f.path); err != nil {
		return err
	}
	// From here on the new file is the one to write to, whatever fails. Until its name is on
	// disk, the old one may come back; until the next write, that is just as good.
	old := f.bolt
	c.to.NoSync, c.to.NoGrowSync = f.eng.opt.NoSync, f.eng.opt.NoSync
	f.bolt, f.opened = c.to, c.opened
	f.empty.Store(free)
	f.measured()
	f.unsynced = !f.eng.opt.NoSync && durable.Names(filepath.Dir(f.path)) != nil
	f.eng.wg.Go(func() { old.Close() }) // waits for its readers
	return nil
}
