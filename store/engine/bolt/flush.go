package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/durable"
	"github.com/tododb/tododb/store/engine"
)

// journal makes a small transaction durable, and has readers see it. The caller holds write.
func (f *file) journal(ctx context.Context, kind byte, t *light) error {
	e := f.eng
	if err := e.expect(); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, systemError(err))
	}
	e.pin(f)
	rec := append(make([][]byte, 0, 1+len(t.chunks)), recordHead(kind, f.name, f.id, f.now))
	pos, err := e.log.Append(ctx, append(rec, t.chunks...)...)
	if err != nil {
		if f.top == nil { // a layer without entries still says that the database is there
			e.unpin(f, true)
		}
		if f.removed.Load() { // dropped meanwhile
			e.dues.forget(f)
		}
		return err
	}
	f.now.pos = uint64(pos)
	f.swap.Lock()
	if f.top == nil {
		f.since = time.Now()
	}
	f.changed = time.Now()
	f.top = t.own
	f.swap.Unlock()
	held := t.held()
	f.room = t.left()
	f.topKeys += t.keys
	f.topBytes += held
	e.grown(f, t.keys, held)
	if f.removed.Load() { // dropped meanwhile: the journal is not needed for it
		e.dues.forget(f)
	}
	return nil
}

// into brings the layers into the file, and what fn writes, in one transaction of the file. The caller holds
// write.
func (f *file) into(ctx context.Context, fn func(*tx) error) (err error) {
	t, err := f.beginInto(ctx, f.top)
	if err != nil {
		return err
	}
	defer func() { err = f.endInto(t, recover(), err) }()
	if err := fn(t); err != nil || t.damaged != nil {
		return err
	}
	return f.commitInto(ctx, t)
}

// beginInto begins a transaction that has what lies above the file. top is the upper layer, or that with more
// written to it. The caller holds write, and ends it with endInto.
func (f *file) beginInto(ctx context.Context, top *tree) (_ *tx, err error) {
	f.flush.Lock()
	defer func() {
		if err != nil {
			f.flush.Unlock()
		}
	}()
	if f.journaled {
		if err := f.nameIt(); err != nil {
			return nil, err
		}
		if err := f.makeEmpty(); err != nil {
			return nil, systemError(err)
		}
	}
	b, err := f.begin()
	if err != nil {
		return nil, err
	}
	t := newTx(ctx, f, b)
	took, err := f.settle(b.ID())
	if took {
		top = nil
	}
	if err == nil {
		err = f.firm()
	}
	if err == nil && f.journaled {
		err = errors.Join(t.apply(f.below), t.apply(top))
	}
	if err != nil {
		t.putSane()
		return nil, f.over(b, &t.reader, nil, err)
	}
	return t, nil
}

// endInto undoes a transaction, unless it has been committed. p and err are as with over.
func (f *file) endInto(t *tx, p any, err error) error {
	defer f.flush.Unlock()
	defer t.putSane()
	return f.over(t.tx, &t.reader, p, err)
}

// commitInto commits it: the layers are in the file then.
func (f *file) commitInto(ctx context.Context, t *tx) error {
	if err := errors.Join(ctx.Err(), f.stateNow()); err != nil {
		return err
	}
	b, by, next := t.tx, t.tx.ID(), f.now
	if f.journaled {
		if next.stamp = newStamp(); f.direct {
			next.pos = uint64(f.eng.log.End()) - 1 // whatever the journal has of it is void
		}
		if err := t.putMark(f.eng.log.ID(), next); err != nil {
			return err
		}
		f.swap.Lock()
		f.by, f.byMark = by, next
		f.swap.Unlock()
	}
	f.dirty.add(t.touched) // even if the commit fails: nobody knows what it wrote
	b.DB().AllocSize = growBy(b.Size())
	before, reserve := b.Size(), engine.UsesReserve(ctx)
	f.eng.settleOthers(ctx, f, growth(t.keys, t.bytes+t.keys*weight, f.size.Load(), f.empty.Load()), reserve)
	f.eng.limit(b.DB(), before, f.needs.Load(), reserve)
	defer f.measured()
	if err := t.commit(); err != nil {
		err = f.commitError(err, by)
		if f.journaled {
			f.direct = f.direct || errors.Is(err, engine.ErrUnknown)
			if !errors.Is(err, engine.ErrUnknown) {
				f.swap.Lock()
				f.by = 0
				f.swap.Unlock()
			}
		}
		return err
	}
	if f.eng.room.blind.Load() {
		f.wonders(before)
	}
	if f.journaled {
		f.has(next)
	}
	return nil
}

// lift forgets the layers: the file has them. The caller holds write and flush.
func (f *file) lift() {
	f.swap.Lock()
	f.layers, f.changed = layers{}, time.Now()
	f.swap.Unlock()
	f.eng.shrunk(f, f.topKeys+f.belowKeys, f.topBytes+f.topKeys*weight+f.belowBytes)
	f.topKeys, f.topBytes, f.belowKeys, f.belowBytes, f.room = 0, 0, 0, 0, nil
}

// apply writes a layer to the file.
func (t *tx) apply(l *tree) (err error) {
	if l == nil {
		return nil
	}
	l.Scan(func(it item) bool {
		if it.gone {
			err = t.Delete(it.s, it.key())
		} else {
			err = t.Put(it.s, it.key(), it.value())
		}
		return err == nil
	})
	return err
}

// makeEmpty makes the file of a database that has none, with the mark from which the journal goes on.
// The caller holds flush.
func (f *file) makeEmpty() error {
	if !f.virtual {
		return nil
	}
	if err := f.stateNow(); err != nil {
		return err
	}
	if err := f.make(nil, f.saved); err != nil {
		return err
	}
	if err := f.eng.syncNames(); err != nil {
		return errors.Join(err, removeIfThere(f.path))
	}
	return f.found()
}

// make makes the file of a database that has none.
func (f *file) make(l *tree, m mark) error {
	if _, err := os.Lstat(f.path); err == nil {
		return f.damage("a file has appeared where the database was to have its own")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return makeFile(f.path, f.eng.opt, f.id, func(tx *bbolt.Tx) error {
		if err := tx.Bucket(idBucket).Put(markKey, m.encode(f.eng.log.ID())); err != nil || l == nil {
			return err
		}
		var b *bbolt.Bucket
		of := engine.Space(0)
		var err error
		l.Scan(func(it item) bool {
			if it.gone {
				return true
			}
			if of != it.s {
				if b, err = tx.CreateBucketIfNotExists(bucketName(it.s)); err != nil {
					return false
				}
				b.FillPercent, of = filled, it.s
			}
			err = b.Put(it.key(), it.value())
			return err == nil
		})
		return err
	})
}

// found opens the file that has just been made, unless nobody has the database open. If it cannot be opened, such as by
// a process that has too many files open, there is none again. The caller holds flush.
func (f *file) found() error {
	f.swap.Lock()
	defer f.swap.Unlock()
	if f.resting {
		f.virtual = false
		size := int64(pageBytes) // more may stand above it, so it is not to be taken for a large one
		if info, err := os.Lstat(f.path); err == nil {
			size = info.Size()
		}
		f.size.Store(size)
		return nil
	}
	if _, _, err := f.openBolt(); err != nil {
		return errors.Join(err, removeIfThere(f.path))
	}
	f.virtual = false
	return nil
}

// errBusy says that a flush is not possible at the moment: something else is done with the file.
var errBusy = errors.New("bolt: the file is in use")

// freeze has the upper layer become the lower one, to be written to the file. It is called with nothing held,
// and returns with flush held, unless there is an error. If it is not to wait, that may be errBusy.
func (f *file) freeze(wait bool) (m mark, err error) {
	if !wait && !f.write.TryLock() {
		return m, errBusy
	} else if wait {
		f.write.Lock()
	}
	defer f.write.Unlock()
	if f.unsynced {
		if err := durable.Names(filepath.Dir(f.path)); err != nil {
			return m, fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
		}
		f.unsynced = false
	}
	if !wait && !f.flush.TryLock() {
		return m, errBusy
	} else if wait {
		f.flush.Lock()
	}
	if err := f.nameIt(); err != nil {
		f.flush.Unlock()
		return m, err
	}
	f.swap.Lock()
	defer f.swap.Unlock()
	if err := f.state(); err != nil {
		f.flush.Unlock()
		return m, err
	}
	if f.by != 0 { // what became of a commit is not known yet: the next one tells, and brings all of this
		f.flush.Unlock()
		return m, errBusy
	}
	if f.below == nil {
		f.below, f.top = f.top, nil
		f.belowMark = f.now
		f.belowKeys, f.belowBytes = f.topKeys, f.topBytes+f.topKeys*weight
		f.topKeys, f.topBytes, f.room = 0, 0, nil
		f.eng.sink(f)
	}
	return f.belowMark, nil
}

// flushOut brings the layers into the file, for good.
func (f *file) flushOut(ctx context.Context) error {
	if err := f.flushLayers(ctx); err != nil {
		return err
	}
	f.flush.Lock()
	defer f.flush.Unlock()
	return f.nameIt()
}

// flushLayers does that, though a power cut may take the name of a file that it has made: as long as it is nameless,
// the journal is needed.
func (f *file) flushLayers(ctx context.Context) (err error) {
	for range 2 { // a flush that failed has left its layer, and the other one came since
		if !f.unflushed() {
			return nil
		}
		if err := f.findOut(ctx); err != nil {
			return err
		}
		if err := f.flushOnce(ctx, true); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) unflushed() bool {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return !f.layers.empty()
}

// flushOnce brings one layer there. It waits for others that write to the database, or the error is errBusy.
func (f *file) flushOnce(ctx context.Context, wait bool) (err error) {
	defer heedNoFaults(heedFaults())
	m, err := f.freeze(wait)
	if err != nil {
		return err
	}
	var lost error // said once nothing is held
	defer func() {
		f.flush.Unlock()
		if lost != nil {
			err = f.giveUp(lost, false)
		}
	}()
	if f.below == nil {
		return nil
	}
	if f.virtual {
		if err = f.make(f.below, m); err == nil {
			err = f.found()
		}
		if err == nil {
			f.nameless = true
			f.eng.unnamed.mu.Lock()
			f.eng.unnamed.list = append(f.eng.unnamed.list, f)
			f.eng.unnamed.mu.Unlock()
		}
	} else {
		err = f.flushInto(ctx, m)
	}
	if errors.Is(err, engine.ErrForeign) {
		lost = err
	}
	if err != nil {
		return systemError(err)
	}
	f.saved = m
	f.swap.Lock()
	f.below = nil
	f.swap.Unlock()
	f.eng.shrunk(f, f.belowKeys, f.belowBytes)
	f.belowKeys, f.belowBytes = 0, 0
	if !f.nameless {
		f.eng.unpin(f, false)
		f.eng.joined(f)
	}
	f.eng.flushes.Add(1)
	return nil
}

// flushInto writes the lower layer to the file that is there. The caller holds flush.
func (f *file) flushInto(ctx context.Context, m mark) (err error) {
	if f.resting {
		if err := f.wake(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.sleep()) }()
	}
	if err := f.elsewhere(); err != nil {
		return err
	}
	if err := f.firm(); err != nil {
		return err
	}
	b, _, err := f.tryBegin(true)
	if _, is := errors.AsType[stuckError](err); is {
		f.swap.Lock()
		f.stuck = true
		f.swap.Unlock()
	}
	if err != nil {
		return err
	}
	t := newTx(ctx, f, b)
	defer t.putSane()
	defer func() { // as over, but what is lost is said by the caller
		f.using.Add(-1)
		if p := recover(); p != nil {
			err = f.damage(p)
		}
		if rolled := f.rollback(b); rolled != nil {
			err = rolled
		} else if t.damaged != nil {
			err = t.damaged
		}
	}()
	if err := t.apply(f.below); err != nil {
		return err
	}
	if err := t.putMark(f.eng.log.ID(), m); err != nil {
		return err
	}
	f.dirty.add(t.touched)
	b.DB().AllocSize, b.DB().MaxSize = growBy(b.Size()), 0 // it is for this that room is kept
	by := b.ID()
	if err := t.commit(); err != nil {
		return f.commitError(err, by)
	}
	// commit goes by the free pages of before, which says little after what many transactions have freed.
	f.empty.Store(countFree(f.opened))
	f.measured()
	return nil
}

// wake opens the file of a database that nobody has open. The caller holds flush.
func (f *file) wake() error {
	m, err := f.openAgain()
	if err == nil && f.by != 0 {
		if _, err = f.settled(m == f.byMark); err != nil {
			err = errors.Join(err, f.sleep())
		}
	}
	return err
}

// openAgain opens it, and makes sure that it is the one that the layers belong to.
func (f *file) openAgain() (m mark, err error) {
	f.swap.Lock()
	defer f.swap.Unlock()
	id, at, err := f.openBolt()
	if errors.Is(err, fs.ErrNotExist) {
		return m, f.replaced()
	}
	if err != nil {
		return m, err
	}
	of, m := parseMark(at)
	if f.hasBelow(m) {
		f.saved = m
	}
	if id != f.id || of != f.eng.log.ID() || m != f.saved && (f.by == 0 || m != f.byMark) {
		f.publish(nil)
		err := f.bolt.Close()
		f.bolt, f.opened = nil, nil
		return m, errors.Join(f.replaced(), err)
	}
	f.empty.Store(countFree(f.opened))
	return m, nil
}

// hasBelow tells that a file with this mark has the lower layer, though the flush that wrote it has failed: its
// last sync did, and nobody knew. The caller holds flush.
func (f *file) hasBelow(m mark) bool { return f.below != nil && m == f.belowMark }

// sleep closes it again.
func (f *file) sleep() error {
	err := f.closeBolt()
	f.swap.Lock()
	f.bolt, f.opened = nil, nil
	f.swap.Unlock()
	return err
}
