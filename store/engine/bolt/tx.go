package bolt

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
)

// reader reads one bbolt transaction. It remembers the buckets it has opened, since
// opening one costs about as much as a Get.
type reader struct {
	file    *file
	tx      *bbolt.Tx
	pace    *engine.Pace
	pages   mapped
	buckets [32]*bbolt.Bucket
	written [32]bool  // there is more than the pages have
	looked  *[32]span // the keys of a leaf that was looked at, by space; nil: none was
	path    []node
	sane    map[uint64]bool // pages that were looked at as a whole, in a writer
	damaged error           // what it has met; no call after it, and no commit, succeeds
}

// span is [from, to) of some leaf, nil meaning no bound.
type span struct {
	known    bool
	beside   bool // those beside the way to it were looked at too
	from, to []byte
}

func newReader(ctx context.Context, f *file, b *bbolt.Tx) reader {
	return reader{file: f, tx: b, pace: engine.NewPace(ctx), pages: pagesOf(b)}
}

// caught is deferred by each method that calls bbolt.
func (r *reader) caught(err *error) {
	if p := recover(); p != nil {
		*err = r.spoil(p)
	}
}

func (r *reader) spoil(what any) error {
	if r.damaged == nil {
		r.damaged = r.file.damage(what)
	}
	return r.damaged
}

// bucket returns a space's bucket, nil if nothing was ever written to it.
func (r *reader) bucket(s engine.Space) *bbolt.Bucket {
	b := r.buckets[s&31]
	if b == nil {
		b = r.named(bucketName(s))
		r.buckets[s&31] = b
	}
	return b
}

func (r *reader) named(name []byte) *bbolt.Bucket {
	c := r.walk(r.root(), name)
	if p := c.leaf(); p.i < p.n && bytes.Equal(p.key(p.i), name) {
		checkInline(p.header(p.i))
	}
	return r.tx.Bucket(name)
}

// root is the page where the buckets begin.
func (r *reader) root() uint64 { return uint64(r.tx.Cursor().Bucket().Root()) }

// walk looks at the pages from a root to a key; what is wrong with them is a panic.
func (r *reader) walk(root uint64, k []byte) place {
	c := place{m: &r.pages, root: root, path: r.path}
	c.to(k)
	r.path = c.path
	return c
}

// onPages tells whether what there is of a space is on its pages. What is not is in the
// one page of a small bucket, or was written by this transaction.
func (r *reader) onPages(s engine.Space, b *bbolt.Bucket) bool {
	return b.Root() != 0 && !r.written[s&31]
}

// look sees to it that bbolt can find a key of a space that this transaction has written
// to: until the commit it changes entries of leaves, so the way to a leaf is as the pages
// have it. deletes says that the key is about to be deleted.
func (r *reader) look(s engine.Space, b *bbolt.Bucket, k []byte, deletes bool) {
	if b.Root() == 0 {
		return
	}
	if r.looked == nil {
		r.looked = new([32]span)
	}
	seen := &r.looked[s&31]
	if seen.known && (seen.beside || !deletes) && (seen.from == nil || bytes.Compare(k, seen.from) >= 0) && (seen.to == nil || bytes.Compare(k, seen.to) < 0) {
		return
	}
	c := r.walk(uint64(b.Root()), k)
	r.sound(c.path, deletes)
	seen.from, seen.to = c.bounds()
	seen.known, seen.beside = true, deletes
}

// sound looks at all that stands on the pages of a path, once in a transaction. A writer
// of bbolt's takes them apart and puts them together again, whatever the lengths on them say;
// where entries were deleted it may do so with those beside them.
func (r *reader) sound(path []node, beside bool) {
	look := func(p *node) {
		if !r.sane[p.id] {
			p.check(&r.pages)
			r.sane[p.id] = true
		}
	}
	for i := range path {
		p := &path[i]
		look(p)
		if p.leaf || !beside {
			continue
		}
		for _, i := range []int{p.i - 1, p.i + 1} {
			if i >= 0 && i < p.n && !r.sane[p.child(i)] {
				other := r.pages.node(p.child(i))
				look(&other)
			}
		}
	}
}

func (r *reader) Get(s engine.Space, k []byte) (v []byte, err error) {
	defer r.caught(&err)
	if r.damaged != nil {
		return nil, r.damaged
	}
	b := r.bucket(s)
	if b == nil || len(k) == 0 {
		return nil, nil
	}
	if r.onPages(s, b) {
		c := r.walk(uint64(b.Root()), k)
		if p := c.leaf(); p.i < p.n && bytes.Equal(p.key(p.i), k) {
			v = p.value(p.i)
		}
	} else {
		r.look(s, b, k, false)
		v = b.Get(k)
	}
	return v, r.give(v)
}

// give is called with each value that is given out. It refuses one that is said to be
// longer than any can be: whoever copies it would ask for that much memory.
func (r *reader) give(v []byte) error {
	if len(v) > r.file.eng.Caps().MaxValue {
		return r.spoil(fmt.Sprintf("a value of %d bytes", len(v)))
	}
	return r.pace.Step(len(v))
}

func (r *reader) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	for i, k := range ks {
		v, err := r.Get(s, k)
		if err != nil {
			return err
		}
		if err := fn(i, v); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) Last(s engine.Space) (k, v []byte, err error) {
	defer r.caught(&err)
	if r.damaged != nil {
		return nil, nil, r.damaged
	}
	b := r.bucket(s)
	if b == nil {
		return nil, nil, nil
	}
	k, v = r.walker(s, b).Last()
	return k, v, r.give(v)
}

// walker walks a space. In one that this transaction has written to that is bbolt, which
// trusts what it meets.
func (r *reader) walker(s engine.Space, b *bbolt.Bucket) walker {
	if r.onPages(s, b) {
		return &place{m: &r.pages, root: uint64(b.Root())}
	}
	return &written{Cursor: b.Cursor()}
}

func (r *reader) Scan(s engine.Space, rg engine.Range, fn func(k, v []byte) (bool, error)) error {
	c := r.cursor(s, rg)
	for {
		k, v, err := c.Next()
		if err != nil || k == nil {
			return err
		}
		if more, err := fn(k, v); !more || err != nil {
			return err
		}
	}
}

func (r *reader) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	return r.cursor(s, rg)
}

func (r *reader) cursor(s engine.Space, rg engine.Range) (c *cursor) {
	c = &cursor{r: r, rg: rg, left: rg.Limit}
	if rg.Limit <= 0 {
		c.left = -1
	}
	var spoilt error // Next says so
	defer r.caught(&spoilt)
	if b := r.bucket(s); b != nil {
		c.c = r.walker(s, b)
	}
	return c
}

// cursor walks a range of one bucket.
type cursor struct {
	r     *reader
	c     walker // nil: nothing there
	last  []byte // the key given before
	rg    engine.Range
	left  int // entries still to give, negative: all
	begun bool
}

func (c *cursor) Next() (k, v []byte, err error) {
	defer c.r.caught(&err)
	if c.r.damaged != nil {
		return nil, nil, c.r.damaged
	}
	if c.c == nil || c.left == 0 {
		return nil, nil, nil
	}
	switch {
	case !c.begun:
		c.begun = true
		k, v = c.first()
	case c.rg.Reverse:
		k, v = c.c.Prev()
	default:
		k, v = c.c.Next()
	}
	if k == nil || c.outside(k) {
		c.c = nil
		return nil, nil, nil
	}
	if len(k) > bbolt.MaxKeySize {
		return nil, nil, c.r.spoil(fmt.Sprintf("a key of %d bytes", len(k)))
	}
	if c.astray(k) {
		return nil, nil, c.r.spoil(fmt.Sprintf("key %x after %x", k, c.last))
	}
	c.last = k
	if c.left > 0 {
		c.left--
	}
	if err := c.r.give(v); err != nil {
		return nil, nil, err
	}
	return k, v, nil
}

// astray tells that keys do not come in their order. Whoever reads a range in parts, each
// from where the last one ended, might never come to an end.
func (c *cursor) astray(k []byte) bool {
	switch {
	case c.last == nil && c.rg.Reverse:
		return c.rg.To != nil && bytes.Compare(k, c.rg.To) >= 0
	case c.last == nil:
		return c.rg.From != nil && bytes.Compare(k, c.rg.From) < 0
	case c.rg.Reverse:
		return bytes.Compare(k, c.last) >= 0
	}
	return bytes.Compare(k, c.last) <= 0
}

func (c *cursor) first() (k, v []byte) {
	switch {
	case !c.rg.Reverse && c.rg.From == nil:
		return c.c.First()
	case !c.rg.Reverse:
		return c.c.Seek(c.rg.From)
	case c.rg.To == nil:
		return c.c.Last()
	}
	if k, _ = c.c.Seek(c.rg.To); k == nil {
		return c.c.Last()
	}
	return c.c.Prev()
}

func (c *cursor) outside(k []byte) bool {
	if c.rg.Reverse {
		return c.rg.From != nil && bytes.Compare(k, c.rg.From) < 0
	}
	return c.rg.To != nil && bytes.Compare(k, c.rg.To) >= 0
}

// tx is a writing transaction.
type tx struct {
	reader
	filled  [32]bool
	touched []engine.SpaceKey // what it wrote, while a compaction wants to know
}

// commit writes it to disk. bbolt panics over damage before it writes the page that makes
// the rest count.
func (t *tx) commit() (err error) {
	defer t.caught(&err)
	t.sound(t.walk(t.root(), []byte{0}).path, true)
	t.pages.checkFreelist()
	return t.tx.Commit()
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

// filled is how full pages of entries are that came in order: those that come later find
// some room.
const filled = 0.9

// Fill is part of engine.Filler.
func (t *tx) Fill(s engine.Space) { t.filled[s&31] = true }

func (t *tx) Fetch([]engine.SpaceKey, []engine.Space) error { return nil }

func (t *tx) Put(s engine.Space, k, v []byte) (err error) {
	defer t.caught(&err)
	if t.damaged != nil {
		return t.damaged
	}
	b, err := t.writable(s)
	if err != nil {
		return err
	}
	if caps := t.file.eng.Caps(); len(k) == 0 || len(k) > caps.MaxKey || len(v) > caps.MaxValue {
		return engine.ErrTooLarge
	}
	if err := t.pace.Step(len(v)); err != nil {
		return err
	}
	t.touch(s, k)
	if v == nil {
		v = []byte{} // nil would read as absent until the commit
	}
	t.look(s, b, k, false)
	t.written[s&31] = true
	if err := b.Put(k, v); err != nil { // the key is a bucket, for one
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
	b := t.bucket(s)
	if b == nil || len(k) == 0 {
		return nil
	}
	t.touch(s, k)
	t.look(s, b, k, true)
	t.written[s&31] = true
	if err := b.Delete(k); err != nil {
		return t.spoil(err)
	}
	return nil
}

func (t *tx) DeleteRange(s engine.Space, from, to []byte) error {
	// The pages tell what is to go, also of what is deleted on the way; what else this
	// transaction has written only bbolt knows.
	before := t.written[s&31]
	for deleted := false; ; deleted = true {
		t.written[s&31] = before
		var keys [][]byte // a cursor does not outlive a deletion
		err := t.Scan(s, engine.Range{From: from, To: to, Limit: 1000, KeysOnly: true}, func(k, _ []byte) (bool, error) {
			keys = append(keys, append([]byte(nil), k...))
			return true, nil
		})
		t.written[s&31] = before || deleted
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

// touch notes a key for a compaction under way.
func (t *tx) touch(s engine.Space, k []byte) {
	if t.file.dirty != nil {
		t.touched = append(t.touched, engine.SpaceKey{Space: s, Key: append([]byte(nil), k...)})
	}
}
