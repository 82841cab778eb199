package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
)

// reader reads one bbolt transaction. It remembers the buckets it has opened, since
// opening one costs about as much as a Get.
type reader struct {
	tx      *bbolt.Tx
	pace    *engine.Pace
	buckets [32]*bbolt.Bucket
}

// bucket returns a space's bucket, nil if nothing was ever written to it.
func (r *reader) bucket(s engine.Space) *bbolt.Bucket {
	b := r.buckets[s&31]
	if b == nil {
		b = r.tx.Bucket(bucketName(s))
		r.buckets[s&31] = b
	}
	return b
}

func (r *reader) Get(s engine.Space, k []byte) ([]byte, error) {
	b := r.bucket(s)
	if b == nil || len(k) == 0 {
		return nil, nil
	}
	v := b.Get(k)
	return v, r.pace.Step(len(v))
}

func (r *reader) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	b := r.bucket(s)
	for i, k := range ks {
		var v []byte
		if b != nil && len(k) > 0 {
			v = b.Get(k)
		}
		if err := r.pace.Step(len(v)); err != nil {
			return err
		}
		if err := fn(i, v); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) Last(s engine.Space) (k, v []byte, err error) {
	b := r.bucket(s)
	if b == nil {
		return nil, nil, nil
	}
	k, v = b.Cursor().Last()
	return k, v, nil
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

func (r *reader) cursor(s engine.Space, rg engine.Range) *cursor {
	c := &cursor{pace: r.pace, rg: rg, left: rg.Limit}
	if rg.Limit <= 0 {
		c.left = -1
	}
	if b := r.bucket(s); b != nil {
		c.c = b.Cursor()
	}
	return c
}

// cursor walks a range of one bucket.
type cursor struct {
	c     *bbolt.Cursor // nil: nothing there
	pace  *engine.Pace
	rg    engine.Range
	left  int // entries still to give, negative: all
	begun bool
}

func (c *cursor) Next() (k, v []byte, err error) {
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
	if c.left > 0 {
		c.left--
	}
	if err := c.pace.Step(len(v)); err != nil {
		return nil, nil, err
	}
	return k, v, nil
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
	file    *file
	touched []engine.SpaceKey // what it wrote, while a compaction wants to know
}

// writable returns a space's bucket, making it if need be.
func (t *tx) writable(s engine.Space) (*bbolt.Bucket, error) {
	b := t.bucket(s)
	if b == nil {
		var err error
		if b, err = t.tx.CreateBucketIfNotExists(bucketName(s)); err != nil {
			return nil, err
		}
		t.buckets[s&31] = b
	}
	if t.file.eng.appendOnly[s&31] {
		b.FillPercent = 1 // of this transaction's bucket: it is not on disk
	}
	return b, nil
}

func (t *tx) Fetch([]engine.SpaceKey, []engine.Space) error { return nil }

func (t *tx) Put(s engine.Space, k, v []byte) error {
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
	return b.Put(k, v)
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

func (t *tx) Delete(s engine.Space, k []byte) error {
	b := t.bucket(s)
	if b == nil || len(k) == 0 {
		return nil
	}
	t.touch(s, k)
	return b.Delete(k)
}

func (t *tx) DeleteRange(s engine.Space, from, to []byte) error {
	for {
		var keys [][]byte // a cursor does not outlive a deletion
		err := t.Scan(s, engine.Range{From: from, To: to, Limit: 1000, KeysOnly: true}, func(k, _ []byte) (bool, error) {
			keys = append(keys, append([]byte(nil), k...))
			return true, nil
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		for _, k := range keys {
			if err := t.Delete(s, k); err != nil {
				return err
			}
		}
	}
}

// touch notes a key for a compaction under way.
func (t *tx) touch(s engine.Space, k []byte) {
	if t.file.dirty != nil {
		t.touched = append(t.touched, engine.SpaceKey{Space: s, Key: append([]byte(nil), k...)})
	}
}
