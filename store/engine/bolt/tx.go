package bolt

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
)

// writing is what only a writing transaction needs to know.
type writing struct {
	buckets [32]*bbolt.Bucket // buckets used so far that exist
	written [32]bool          // the transaction has written there
	looked  [32]span          // the keys of a leaf that was checked, by space
	last    [32][]byte        // the greatest key that was written or deleted, by space
	walked  place             // the last way
	sane    map[uint64]bool   // pages that were checked
}

// span is [from, to) of some leaf, nil meaning no bound.
type span struct {
	known    bool
	beside   bool // the pages beside the way to it were checked too
	from, to []byte
	leaf     node
}

// bucket is bbolt's bucket of a space, nil if nothing was ever written to it.
func (r *reader) bucket(s engine.Space) *bbolt.Bucket {
	b := &r.writing.buckets[s&31]
	if *b == nil {
		name := bucketName(s)
		r.sound(r.way(r.root, name), false) // bbolt goes the same way
		*b = r.tx.Bucket(name)
	}
	return *b
}

// way goes from a root to a key and checks the pages between; a fault is a panic. The result is
// valid until the next call.
func (r *reader) way(root uint64, k []byte) *place {
	c := &r.writing.walked
	c.m, c.top = &r.pages, r.pages.node(root)
	c.begin(goal{key: k})
	return c
}

// look makes sure that bbolt can find a key of a space that this transaction has written to.
// Until the commit, bbolt changes only entries of leaves, so the way to a leaf is as on the
// pages. deletes says that the key is about to be deleted.
func (r *reader) look(s engine.Space, b *bbolt.Bucket, k []byte, deletes bool) {
	if b.Root() == 0 {
		return
	}
	seen := &r.writing.looked[s&31]
	if seen.known && (seen.beside || !deletes) && (seen.from == nil || bytes.Compare(k, seen.from) >= 0) && (seen.to == nil || bytes.Compare(k, seen.to) < 0) {
		return
	}
	c := r.way(uint64(b.Root()), k)
	r.sound(c, deletes)
	seen.from, seen.to = c.bounds()
	seen.known, seen.beside, seen.leaf = true, deletes, *c.leaf()
}

// changes notes that a key of a space is about to be written or deleted.
func (w *writing) changes(s engine.Space, k []byte) {
	w.written[s&31] = true
	if last := &w.last[s&31]; bytes.Compare(k, *last) > 0 {
		*last = append((*last)[:0], k...)
	}
}

// getOwn is Get from a space that this transaction has written to. What lies behind all that it has written
// is as on the pages. Most writers come in the order of keys and ask before they write, so the leaf found here
// is the one that they change next, and bbolt need not look for the key as well.
func (r *reader) getOwn(s engine.Space, b *bbolt.Bucket, k []byte) (v []byte) {
	r.look(s, b, k, false)
	if b.Root() == 0 || bytes.Compare(k, r.writing.last[s&31]) <= 0 {
		return b.Get(k)
	}
	p := &r.writing.looked[s&31].leaf
	if i, exact := p.find(k); exact {
		p.i = i
		_, v = p.entry(i)
	}
	return v
}

// sound checks the pages of a path, each once in a transaction. A writer in bbolt takes them
// apart and reassembles them, whatever their lengths say; after deletions it may do that with
// the pages beside them too.
func (r *reader) sound(way *place, beside bool) {
	sane := r.writing.sane
	look := func(p *node) {
		if id := p.id(); !sane[id] {
			p.check(&r.pages)
			sane[id] = true
		}
	}
	for i := range way.path {
		p := &way.path[i]
		look(p)
		if p.leaf || !beside {
			continue
		}
		for _, i := range []int{p.i - 1, p.i + 1} {
			if i >= 0 && i < p.n && !sane[p.child(i)] {
				other := r.pages.node(p.child(i))
				look(&other)
			}
		}
	}
}

// tx is a writing transaction.
type tx struct {
	reader
	writing
	gathering gathering
	filled    [32]bool
	keys      int64             // how many entries were written
	bytes     int64             // of these
	touched   []engine.SpaceKey // what it wrote, if a compaction needs to know
}

func newTx(ctx context.Context, f *file, b *bbolt.Tx) *tx {
	t := &tx{reader: newReader(ctx, f, b)}
	t.reader.writing = &t.writing
	t.gathering.was = f.settleGathered(b.ID())
	if !t.gathering.was.empty() {
		t.over.oldest, t.over.of = t.gathering.was.t, f.scattered
	}
	t.sane = saneSets.Get().(map[uint64]bool)
	return t
}

// commit writes the transaction to disk. bbolt panics over damage before it writes the meta
// page that makes it valid.
func (t *tx) commit() (err error) {
	defer t.caught(&err)
	next, err := t.gather()
	if err != nil {
		return err
	}
	t.sound(t.way(t.root, []byte{0}), true)
	free := t.pages.checkFreelist()
	f := t.file
	if next != nil {
		f.swap.Lock()
		f.gatherNext, f.gatherBy = next, t.tx.ID()
		f.swap.Unlock()
	}
	if err := f.eng.commit(t.tx); err != nil {
		return err
	}
	if next != nil {
		f.swap.Lock()
		f.publish(next)
		f.gatherNext, f.gatherBy = nil, 0
		f.swap.Unlock()
	}
	t.file.empty.Store(int64((free + 1) * t.pages.size)) // and the old free list
	return nil
}

// writable returns a space's bucket, making it if need be.
func (t *tx) writable(s engine.Space) (*bbolt.Bucket, error) {
	b := t.bucket(s)
	if b == nil {
		var err error
		if b, err = t.tx.CreateBucketIfNotExists(bucketName(s)); err != nil {
			return nil, t.spoil(err)
		}
		t.buckets[s&31] = b
	}
	switch { // of this transaction's bucket: it is not on disk
	case t.file.eng.appendOnly[s&31]:
		b.FillPercent = 1
	case t.filled[s&31]:
		b.FillPercent = filled
	}
	return b, nil
}

// filled is how full pages of ordered entries get: there is some room for later ones.
const filled = 0.9

// Fill is part of engine.Filler.
func (t *tx) Fill(s engine.Space) { t.filled[s&31] = true }

func (t *tx) Fetch([]engine.SpaceKey, []engine.Space) error { return nil }

func (t *tx) Put(s engine.Space, k, v []byte) (err error) {
	defer t.caught(&err)
	if t.damaged != nil {
		return t.damaged
	}
	if len(k) == 0 || len(k) > maxKey || len(v) > maxValue {
		return engine.ErrTooLarge
	}
	if err := t.pace.Step(len(v)); err != nil {
		return err
	}
	t.keys, t.bytes = t.keys+1, t.bytes+int64(len(k)+len(v))
	if t.gathers(s) {
		t.collect(s, k, v, false)
		return nil
	}
	return t.put(s, k, v)
}

// put writes an entry to the pages.
func (t *tx) put(s engine.Space, k, v []byte) error {
	b, err := t.writable(s)
	if err != nil {
		return err
	}
	t.touch(s, k)
	if v == nil {
		v = []byte{} // nil would read as missing until the commit
	}
	t.look(s, b, k, false)
	t.changes(s, k)
	if err := b.Put(k, v); err != nil { // for example, the key is a bucket
		return t.spoil(err)
	}
	return nil
}

func (t *tx) Insert(s engine.Space, k, v []byte) error {
	if there, err := t.Get(s, k); err != nil || there != nil {
		if err == nil {
			err = engine.ErrDuplicate
		}
		return err
	}
	return t.Put(s, k, v)
}

func (t *tx) Delete(s engine.Space, k []byte) (err error) {
	defer t.caught(&err)
	if t.damaged != nil {
		return t.damaged
	}
	t.keys++
	if len(k) > 0 && len(k) <= maxKey && t.gathers(s) {
		t.collect(s, k, nil, true)
		return nil
	}
	return t.remove(s, k)
}

// remove deletes an entry of the pages.
func (t *tx) remove(s engine.Space, k []byte) error {
	b := t.bucket(s)
	if b == nil || len(k) == 0 {
		return nil
	}
	t.touch(s, k)
	t.look(s, b, k, true)
	t.changes(s, k)
	if err := b.Delete(k); err != nil {
		return t.spoil(err)
	}
	return nil
}

func (t *tx) DeleteRange(s engine.Space, from, to []byte) error {
	// The pages show what is to go, including keys deleted on the way; only bbolt knows what
	// else this transaction has written.
	before := t.written[s&31]
	for deleted := false; ; deleted = true {
		t.written[s&31] = before
		var keys [][]byte // a cursor does not outlive a deletion
		err := t.Scan(s, engine.Range{From: from, To: to, Limit: 1000, KeysOnly: true}, func(k, _ []byte) (bool, error) {
			keys = append(keys, append([]byte(nil), k...))
			return true, nil
		})
		t.written[s&31] = before || deleted && !t.gathers(s)
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, k := range keys {
			if err := t.Delete(s, k); err != nil {
				return err
			}
		}
		from = append(keys[len(keys)-1], 0)
	}
}

// Cursor walks what there is now: later writes of the transaction need not show.
func (t *tx) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	if t.over.none(s) {
		return t.paged(s, rg)
	}
	c := t.merged(s, rg)
	if t.over.top != nil {
		c.over.top = t.over.top.Copy()
	}
	return c
}

func (t *tx) Scan(s engine.Space, rg engine.Range, fn func(k, v []byte) (bool, error)) error {
	return engine.Each(t.Cursor(s, rg), fn)
}

// touch records a key for a compaction under way.
func (t *tx) touch(s engine.Space, k []byte) {
	if t.file.dirty != nil {
		t.touched = append(t.touched, engine.SpaceKey{Space: s, Key: append([]byte(nil), k...)})
	}
}
