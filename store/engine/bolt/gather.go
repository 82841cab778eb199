package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
)

// Keys that come in no order lie all over a large space, and a transaction rewrites a page for each. So those of a
// scattered space that would be alone in their page are gathered: they are appended to a bucket of their own, in the
// same transaction, and stand in memory above their space until a sweep brings them to their places. The sweep
// goes round the space in the order of keys. Each transaction has it go on by about as much as it has added, so what is
// gathered keeps its size, and a page where the sweep arrives gets at once all that has come for it since the last lap.

// gathered is what a state of a file has gathered. It does not change once it is published.
type gathered struct {
	t     *tree
	bytes int // about how much memory t takes
	runs  []run
	next  uint64 // the number of the next run
	sweep sweep
}

// sweep is how far the sweep has come: all before a key in this lap.
type sweep struct {
	lap uint64
	at  []byte
}

// run is what a transaction has appended, and how far the sweep was then.
type run struct {
	n     uint64
	parts uint32
	sweep sweep
}

// passed tells whether the sweep has been at a key since it was at an earlier place.
func (w sweep) passed(k []byte, since sweep) bool {
	switch w.lap - since.lap {
	case 0:
		return bytes.Compare(k, since.at) >= 0 && bytes.Compare(k, w.at) < 0
	case 1:
		return bytes.Compare(k, since.at) >= 0 || bytes.Compare(k, w.at) < 0
	}
	return true
}

// before tells whether it had not come as far then.
func (w sweep) before(other sweep) bool {
	return w.lap < other.lap || w.lap == other.lap && bytes.Compare(w.at, other.at) < 0
}

// lapped tells whether it has been everywhere since.
func (w sweep) lapped(since sweep) bool {
	return w.lap > since.lap+1 || w.lap == since.lap+1 && bytes.Compare(w.at, since.at) >= 0
}

// Bucket "gathered" has, for each run that the sweep has not wholly passed,
//
//	number (8, big-endian)              lap (8, big-endian), place of the sweep after that transaction
//	number (8), part (4, big-endian)    entries, as in a record of the journal
//
// Of two entries with one key the later counts. The newest run tells how far the sweep is. An entry that the sweep
// has passed since its run counts for nothing. While there are runs, the format of the file is 2: whoever knows only
// format 1 would miss them.
var (
	gatheredBucket = []byte("gathered")
	format2        = []byte("tododb 2")
)

// partBytes is about how long a part of a run is.
const partBytes = 16<<10 - 256

// Sizes of what is gathered.
const (
	gatherFrom  = 2048     // leaf pages of a space, before keys are gathered
	gatherBytes = 12 << 20 // memory for one database, and
	gatherAll   = 36 << 20 // for all of them
	gatherAfter = 30 * time.Second
	crowd       = 3 // so many keys for a page are not alone there
)

func (g *gathered) empty() bool { return g == nil || g.t.Len() == 0 }

// gatheredAt is what is gathered above a transaction of the file. The caller holds swap.
func (f *file) gatheredAt(txid int) *tree {
	g := f.gathered
	if f.gatherBy != 0 && txid >= f.gatherBy {
		g = f.gatherNext
	}
	if g.empty() {
		return nil
	}
	return g.t
}

// settleGathered finds out what became of a commit that failed, by the number of the transaction that comes next. The
// caller holds flush.
func (f *file) settleGathered(next int) *gathered {
	if f.gatherBy != 0 {
		f.swap.Lock()
		defer f.swap.Unlock()
		if next > f.gatherBy {
			f.publish(f.gatherNext)
		}
		f.gatherNext, f.gatherBy = nil, 0
	}
	return f.gathered
}

// publish has readers see what is gathered. The caller holds swap.
func (f *file) publish(g *gathered) {
	was, is := 0, 0
	if f.gathered != nil {
		was = f.gathered.bytes
	}
	if g != nil {
		is = g.bytes
	}
	f.eng.gatheredBytes.Add(int64(is - was))
	f.gathered, f.gatherChanged = g, time.Now()
}

func (f *file) hasGathered() bool {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return !f.gathered.empty() || f.gatherBy != 0
}

// gathering is what a writing transaction needs for it.
type gathering struct {
	decided bool
	on      bool
	was     *gathered
	own     []byte // memory for what is written
	bytes   int    // of what is written
	drain   int    // how much the sweep goes on in any case
	room    int    // for what is gathered: not much for a space that is not large
}

// gathers tells whether a space is one whose keys are gathered in this transaction.
func (t *tx) gathers(s engine.Space) bool {
	g := &t.gathering
	if s&31 != t.file.scattered || s == 0 {
		return false
	}
	if !g.decided {
		g.decided = true
		opt, n := &t.file.eng.opt, t.leaves(s)
		g.on = !g.was.empty() || !t.filled[s&31] && !t.file.still.Load() && n >= opt.GatherFrom
		g.room = min(opt.GatherBytes, n*int(pageBytes)/4)
	}
	return g.on
}

// leaves is about how many leaf pages a space has.
func (t *tx) leaves(s engine.Space) int {
	p, there := t.top(s)
	if !there {
		return 0
	}
	n := 1
	for depth := 0; !p.leaf && depth < deepest && p.n > 0; depth++ {
		n *= p.n
		p = t.pages.node(p.child(p.n / 2))
	}
	return n
}

// collect keeps what is written to a space that gathers, until the commit.
func (t *tx) collect(s engine.Space, k, v []byte, gone bool) {
	g := &t.gathering
	need := entrySize(k, v)
	if cap(g.own)-len(g.own) < need {
		g.own = make([]byte, 0, max(mostChunk, need))
	}
	b, it := appendEntry(g.own, s&31, k, v, gone)
	g.own = b
	if t.over.top == nil {
		t.over.top = newTree()
	}
	t.over.top.Set(it)
	g.bytes += int(it.size) + weight
}

// gather brings what the transaction has collected to its places, or to what is gathered, and has the sweep go on.
// It returns nil if nothing has changed there.
func (t *tx) gather() (*gathered, error) {
	g := &t.gathering
	came := t.over.top
	t.over.top = nil // from here on what is written goes to the pages
	if came == nil && (g.drain == 0 || g.was.empty()) {
		return nil, nil
	}
	is := gathered{t: newTree()}
	if g.was != nil {
		is = *g.was
		is.t = g.was.t.Copy()
	}
	most := math.MaxInt
	if came != nil && g.drain == 0 && (t.file.eng.room.scarce.Load() || t.file.failing.Load()) {
		most = came.Len() // growth reckons with a page for each, and no more
	}
	swept, err := t.sweep(&is, most)
	if err != nil {
		return nil, err
	}
	c := collector{to: &is}
	if came != nil {
		if err := t.settleNew(came, &c); err != nil {
			return nil, err
		}
	}
	if !swept && len(c.parts) == 0 {
		return nil, nil
	}
	return &is, t.putRun(&is, c.parts)
}

// collector appends entries to a run.
type collector struct {
	to    *gathered
	parts [][]byte
}

func (c *collector) add(it item) {
	n := len(c.parts)
	need := entrySize(it.key(), it.value())
	if n == 0 || cap(c.parts[n-1])-len(c.parts[n-1]) < need {
		c.parts = append(c.parts, make([]byte, 0, max(partBytes, need)))
		n++
	}
	c.parts[n-1], it = appendEntry(c.parts[n-1], it.s, it.key(), it.value(), it.gone)
	c.to.set(it)
}

func (g *gathered) set(it item) {
	if was, there := g.t.Set(it); there {
		g.bytes -= int(was.size) + weight
	}
	g.bytes += int(it.size) + weight
}

// sweep brings to their places so many of the keys that come next that there is room for what is new, but not more than most.
func (t *tx) sweep(is *gathered, most int) (swept bool, err error) {
	g, e := &t.gathering, t.file.eng
	excess := max(is.bytes+g.bytes-g.room, g.drain)
	if e.gatheredBytes.Load() > int64(e.opt.GatherAll) {
		excess = max(excess, 3*g.bytes) // all of them take too much
	}
	excess = min(excess, max(4*g.bytes, g.drain)) // no transaction is to take long
	s := t.file.scattered
	for turns := 0; excess > 0 && most > 0 && is.t.Len() > 0 && turns < 2; {
		var some []item
		is.t.Ascend(sought(s, is.sweep.at), func(it item) bool {
			some = append(some, it)
			excess -= int(it.size) + weight
			most--
			return excess > 0 && most > 0
		})
		for _, it := range some {
			if err := t.place(it); err != nil {
				return swept, err
			}
			is.t.Delete(it)
			is.bytes -= int(it.size) + weight
		}
		swept = true
		if excess > 0 && most > 0 {
			is.sweep = sweep{lap: is.sweep.lap + 1}
			turns++
		} else {
			last := some[len(some)-1].key()
			is.sweep.at = append(append(make([]byte, 0, len(last)+1), last...), 0)
		}
	}
	return swept, nil
}

// place writes an entry to the pages.
func (t *tx) place(it item) error {
	if it.gone {
		return t.remove(it.s, it.key())
	}
	return t.put(it.s, it.key(), it.value())
}

// settleNew writes to the pages what is not alone in its page there, and gathers the rest. What was gathered before
// must stay so: else it would count again when the file is opened.
func (t *tx) settleNew(came *tree, c *collector) error {
	s := t.file.scattered
	list := came.Items()
	top, there := t.top(s)
	still := t.file.still.Load() || len(list) < t.file.eng.opt.GatherBytes>>20 || !there || t.roots[s] == small
	for len(list) > 0 {
		n := len(list)
		if !still {
			way := place{m: &t.pages, top: top, keys: true}
			way.begin(goal{key: list[0].key()})
			if _, to := way.bounds(); to != nil {
				n, _ = slices.BinarySearchFunc(list, to, func(it item, to []byte) int { return bytes.Compare(it.key(), to) })
				n = max(n, 1) // keys of a damaged page may be in no order
			}
		}
		for _, it := range list[:n] {
			if _, was := c.to.t.Get(it); was || n < crowd && !still {
				c.add(it)
			} else if err := t.place(it); err != nil {
				return err
			}
		}
		list = list[n:]
	}
	return nil
}

// putRun appends a run to the file, and removes those that the sweep has passed.
func (t *tx) putRun(is *gathered, parts [][]byte) error {
	t.sound(t.way(t.root, gatheredBucket), true)
	b, err := t.tx.CreateBucketIfNotExists(gatheredBucket)
	if err != nil {
		return t.spoil(err)
	}
	b.FillPercent = 1
	if is.t.Len() == 0 {
		for _, r := range is.runs {
			if err := t.dropRun(b, r); err != nil {
				return err
			}
		}
		*is = gathered{t: newTree(), next: is.next}
		return t.putID(format, format1)
	}
	if len(is.runs) == 0 {
		if err := t.putID(format, format2); err != nil {
			return err
		}
	}
	this := run{n: is.next, parts: uint32(len(parts)), sweep: is.sweep}
	is.next++
	head := binary.BigEndian.AppendUint64(nil, this.sweep.lap)
	if err := t.putIn(b, this.key(), append(head, this.sweep.at...)); err != nil {
		return err
	}
	for i, part := range parts {
		if err := t.putIn(b, this.part(uint32(i)), part); err != nil {
			return err
		}
	}
	is.runs = append(is.runs, this)
	for is.sweep.lapped(is.runs[0].sweep) {
		if err := t.dropRun(b, is.runs[0]); err != nil {
			return err
		}
		is.runs = is.runs[1:]
	}
	return nil
}

func (r run) key() []byte { return binary.BigEndian.AppendUint64(make([]byte, 0, 12), r.n) }

func (r run) part(i uint32) []byte { return binary.BigEndian.AppendUint32(r.key(), i) }

func (t *tx) dropRun(b *bbolt.Bucket, r run) error {
	keys := [][]byte{r.key()}
	for i := range r.parts {
		keys = append(keys, r.part(i))
	}
	for _, k := range keys {
		if b.Root() != 0 {
			t.sound(t.way(uint64(b.Root()), k), true)
		}
		if err := b.Delete(k); err != nil {
			return t.spoil(err)
		}
	}
	return nil
}

// putIn writes to a bucket that is no space.
func (t *tx) putIn(b *bbolt.Bucket, k, v []byte) error {
	if b.Root() != 0 {
		t.sound(t.way(uint64(b.Root()), k), true)
	}
	if err := b.Put(k, v); err != nil {
		return t.spoil(err)
	}
	return nil
}

// putID writes what the file is known by.
func (t *tx) putID(k, v []byte) error {
	t.sound(t.way(t.root, idBucket), true)
	b := t.tx.Bucket(idBucket)
	if b == nil {
		return t.spoil("it has lost its identity")
	}
	return t.putIn(b, k, v)
}

// readGathered reads what a file has gathered. Faults of pages are panics.
func (f *file) readGathered(tx *bbolt.Tx) (*gathered, error) {
	r := newReader(context.Background(), f, tx)
	top, root := r.named(gatheredBucket)
	if root == absent {
		return nil, nil
	}
	wrong := func(k []byte) error {
		return fmt.Errorf("%w: %s: entry %x of what is gathered is damaged", engine.ErrForeign, f.path, k)
	}
	is := gathered{t: newTree()}
	var parts [][]byte // of all runs
	var before []byte
	all := place{m: &r.pages, top: top}
	for k, v := all.First(); k != nil; k, v = all.Next() {
		if before != nil && bytes.Compare(k, before) <= 0 {
			return nil, wrong(k)
		}
		before = k
		switch n := len(is.runs); {
		case len(k) == 8 && len(v) >= 8:
			one := run{n: binary.BigEndian.Uint64(k), sweep: sweep{binary.BigEndian.Uint64(v), bytes.Clone(v[8:])}}
			if n > 0 && one.sweep.before(is.runs[n-1].sweep) {
				return nil, wrong(k)
			}
			is.runs = append(is.runs, one)
		case len(k) == 12 && n > 0 && bytes.Equal(k, is.runs[n-1].part(is.runs[n-1].parts)):
			is.runs[n-1].parts++
			parts = append(parts, v)
		default:
			return nil, wrong(k)
		}
	}
	if len(is.runs) == 0 {
		return nil, nil
	}
	newest := is.runs[len(is.runs)-1]
	is.sweep, is.next = newest.sweep, newest.n+1
	space := engine.Space(0)
	c := collector{to: &is}
	for _, one := range is.runs {
		for i := range one.parts {
			rest := parts[0]
			parts = parts[1:]
			for len(rest) > 0 {
				var it item
				var ok bool
				if it, rest, ok = cutEntry(rest); !ok || space != 0 && it.s != space {
					return nil, wrong(one.part(i))
				}
				space = it.s
				if !is.sweep.passed(it.key(), one.sweep) {
					c.add(it)
				}
			}
			if n := len(c.parts); n > 1 {
				c.parts = c.parts[n-1:]
			}
		}
	}
	if space != 0 {
		f.scattered = space // whatever the engine is told: it is there
	}
	return &is, nil
}

// drainBytes is how much the sweep brings to its place in a transaction of its own.
const drainBytes = 256 << 10

// drain brings some of what is gathered to its place.
func (f *file) drain(ctx context.Context) error {
	defer heedNoFaults(heedFaults())
	f.write.Lock()
	defer f.write.Unlock()
	f.flush.Lock()
	resting := f.resting // a flush may have it open for a moment
	f.flush.Unlock()
	if resting {
		return engine.ErrClosed
	}
	if !f.hasGathered() {
		return nil
	}
	if err := f.inPlace(); err != nil {
		return err
	}
	return f.into(engine.UseReserve(ctx), func(t *tx) error { // what is in its place takes less room
		t.gathering.drain = drainBytes
		return nil
	})
}

// disperse brings all that is gathered to its place. Nothing more is gathered until still is false.
func (f *file) disperse(ctx context.Context) error {
	f.still.Store(true)
	for f.hasGathered() {
		if err := f.drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drainOften brings to its place, in the background, what was gathered long ago, or takes too much memory.
func (e *Engine) drainOften() {
	tick := time.NewTicker(max(e.opt.GatherAfter/8, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-e.untilStop.Done():
			return
		case <-tick.C:
		}
		e.mu.Lock()
		var list []*file
		for _, f := range e.files {
			if f.handles > 0 && f.hasGathered() {
				list = append(list, f)
			}
		}
		e.mu.Unlock()
		slices.SortFunc(list, func(a, b *file) int { return a.lastGathered().Compare(b.lastGathered()) })
		for _, f := range list {
			e.drainIdle(f)
		}
	}
}

func (f *file) lastGathered() time.Time {
	f.swap.RLock()
	defer f.swap.RUnlock()
	return f.gatherChanged
}

// drainIdle does that with one database as long as nobody else writes to it.
func (e *Engine) drainIdle(f *file) {
	at := f.lastGathered()
	old := time.Since(at) >= e.opt.GatherAfter
	for at.Equal(f.lastGathered()) && f.hasGathered() && !e.held.Load() && (old || e.gatheredBytes.Load() > int64(e.opt.GatherAll)) {
		begun := time.Now()
		if err := f.drain(e.untilStop); err != nil {
			passing := errors.Is(err, engine.ErrNoDB) || errors.Is(err, engine.ErrClosed) || e.untilStop.Err() != nil
			if !passing && !f.undrained.Swap(true) {
				e.opt.Noticed("cannot bring to its place what was gathered of a database; it will be tried again: " + err.Error())
			}
			return
		}
		f.undrained.Store(false)
		at = f.lastGathered()
		pause := time.NewTimer(flushPause * time.Since(begun)) // writers have the disk
		select {
		case <-pause.C:
		case <-e.untilStop.Done():
			pause.Stop()
			return
		}
	}
}
