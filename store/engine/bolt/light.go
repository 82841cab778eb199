package bolt

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store/engine"
)

// light is a writing transaction of a database with a journal. It changes a copy of the layers, not the file.
type light struct {
	reader
	own    *tree // what reader.over.top was, changed; nil until something is written
	chunks [][]byte
	keys   int
	bytes  int
	filled [32]bool
}

// Sizes of the chunks that entries are written to. They stay in memory as long as the overlay.
const (
	leastChunk = 1 << 10
	mostChunk  = 64 << 10
)

// note writes an entry to the record and the tree.
func (t *light) note(s engine.Space, k, v []byte, gone bool) {
	need := entrySize(k, v)
	n := len(t.chunks)
	if n == 0 || cap(t.chunks[n-1])-len(t.chunks[n-1]) < need {
		size := leastChunk
		if n > 0 {
			size = min(2*cap(t.chunks[n-1]), mostChunk)
		}
		t.chunks = append(t.chunks, make([]byte, 0, max(size, need)))
		n++
	}
	c := &t.chunks[n-1]
	was := len(*c)
	b, it := appendEntry(*c, s, k, v, gone)
	*c = b
	if t.own == nil {
		if t.over.top == nil {
			t.own = newTree()
		} else {
			t.own = t.over.top.Copy()
		}
		t.over.top = t.own
	}
	t.own.Set(it)
	t.keys++
	t.bytes += len(b) - was
}

// load is about what it adds to the journal and to memory.
func (t *light) load() int { return t.bytes + t.keys*weight }

// Cursor walks what there is now: later writes of the transaction do not show.
func (t *light) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	if t.over.empty() {
		return t.paged(s, rg)
	}
	c := t.merged(s, rg)
	if t.own != nil {
		c.over.top = t.own.Copy()
	}
	return c
}

func (t *light) Scan(s engine.Space, rg engine.Range, fn func(k, v []byte) (bool, error)) error {
	return engine.Each(t.Cursor(s, rg), fn)
}

// Fill is part of engine.Filler.
func (t *light) Fill(s engine.Space) { t.filled[s&31] = true }

func (t *light) Fetch([]engine.SpaceKey, []engine.Space) error { return nil }

func (t *light) Put(s engine.Space, k, v []byte) error {
	if t.damaged != nil {
		return t.damaged
	}
	if len(k) == 0 || len(k) > maxKey || len(v) > maxValue {
		return engine.ErrTooLarge
	}
	t.note(s&31, k, v, false)
	return t.pace.Step(len(v))
}

func (t *light) Insert(s engine.Space, k, v []byte) error {
	if there, err := t.Get(s, k); err != nil || there != nil {
		if err == nil {
			err = engine.ErrDuplicate
		}
		return err
	}
	return t.Put(s, k, v)
}

func (t *light) Delete(s engine.Space, k []byte) error {
	if t.damaged != nil {
		return t.damaged
	}
	if len(k) == 0 || len(k) > maxKey {
		return nil
	}
	t.note(s&31, k, nil, true)
	return nil
}

func (t *light) DeleteRange(s engine.Space, from, to []byte) error {
	return t.Scan(s, engine.Range{From: from, To: to, KeysOnly: true}, func(k, _ []byte) (bool, error) {
		return true, t.Delete(s, k)
	})
}

// updateLight runs a transaction above the file. The caller holds write.
func (f *file) updateLight(ctx context.Context, fn func(engine.Tx) error) error {
	b, over, err := f.read()
	if err != nil {
		return err
	}
	t := &light{reader: newReader(ctx, f, b)}
	t.over = over
	err = func() (err error) {
		defer func() { err = f.over(b, &t.reader, recover(), err) }()
		return fn(t)
	}()
	if err != nil {
		return err
	}
	if err := errors.Join(ctx.Err(), f.stateNow()); err != nil || t.own == nil {
		return err
	}
	if int64(t.load()) > f.eng.opt.DirectBytes {
		return f.into(ctx, t.own, func(in *tx) error {
			in.filled = t.filled
			return nil
		})
	}
	return f.journal(ctx, recordWrite, t.chunks, t.own, t.keys, t.bytes)
}
