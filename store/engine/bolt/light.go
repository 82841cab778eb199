package bolt

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store/engine"
)

// light is a writing transaction of a database with a journal. It changes a copy of the layers, not the file.
// If it gets large it goes on as a transaction of the file, which takes over what it has written.
type light struct {
	reader
	ctx    context.Context
	own    *tree // what reader.over.top was, changed; nil until something is written
	chunks [][]byte
	room   []byte // what earlier transactions have left of their last chunk
	shared bool   // the first chunk is there
	size   int    // of the first chunk otherwise
	keys   int
	bytes  int
	filled [32]bool
	heavy  *tx // once it is large
}

// Sizes of the chunks that entries are written to. They stay in memory as long as the overlay.
const (
	leastChunk = 256
	mostChunk  = 64 << 10
)

// held is how many bytes of memory the entries keep, which may be few in a chunk.
func (t *light) held() (bytes int) {
	for i, c := range t.chunks {
		if i > 0 || !t.shared {
			bytes += cap(c)
		}
	}
	return bytes
}

// cost is how much of the disk the transaction takes, in the journal and later in a file of some length, at the most.
func (t *light) cost(size int64) int64 {
	return int64(t.bytes) + growth(int64(t.keys), int64(t.held()+t.keys*weight), size, 0)
}

// left is what the transaction leaves of its last chunk for the next one.
func (t *light) left() []byte {
	if len(t.chunks) == 0 {
		return t.room
	}
	c := t.chunks[len(t.chunks)-1]
	return c[len(c):len(c):cap(c)]
}

// note writes an entry to the record and the tree.
func (t *light) note(s engine.Space, k, v []byte, gone bool) {
	need := entrySize(k, v)
	n := len(t.chunks)
	if n == 0 || cap(t.chunks[n-1])-len(t.chunks[n-1]) < need {
		switch {
		case n == 0 && cap(t.room) >= need:
			t.chunks, t.shared = append(t.chunks, t.room), true
		case n == 0:
			t.chunks = append(t.chunks, make([]byte, 0, max(t.size, leastChunk, need)))
		default:
			t.chunks = append(t.chunks, make([]byte, 0, max(min(2*cap(t.chunks[n-1]), mostChunk), t.size, need)))
		}
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

// toFile makes a transaction that gets large one of the file, so that nothing large is written twice. It reports
// whether it is one.
func (t *light) toFile(more int) (_ bool, err error) {
	if t.heavy != nil {
		return true, nil
	}
	if t.damaged != nil || int64(t.bytes+t.keys*weight+more) <= t.file.eng.opt.DirectBytes {
		return false, t.damaged
	}
	if err := t.goOnInFile(); err != nil {
		return false, err
	}
	t.own, t.chunks = nil, nil
	return true, nil
}

// goOnInFile begins a transaction of the file with what this one has written.
func (t *light) goOnInFile() error {
	heavy, err := t.file.beginInto(t.ctx, t.over.top)
	if err != nil {
		return err
	}
	t.heavy, heavy.filled = heavy, t.filled
	return nil
}

// Cursor walks what there is now: later writes of the transaction need not show.
func (t *light) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	if t.heavy != nil {
		return t.heavy.Cursor(s, rg)
	}
	if t.over.none(s) {
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

func (t *light) Get(s engine.Space, k []byte) ([]byte, error) {
	if t.heavy != nil {
		return t.heavy.Get(s, k)
	}
	return t.reader.Get(s, k)
}

func (t *light) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	if t.heavy != nil {
		return t.heavy.GetMulti(s, ks, fn)
	}
	return t.reader.GetMulti(s, ks, fn)
}

func (t *light) Last(s engine.Space) (k, v []byte, err error) {
	if t.heavy != nil {
		return t.heavy.Last(s)
	}
	return t.reader.Last(s)
}

// Fill is part of engine.Filler.
func (t *light) Fill(s engine.Space) {
	t.filled[s&31] = true
	if t.heavy != nil {
		t.heavy.Fill(s)
	}
}

func (t *light) Fetch([]engine.SpaceKey, []engine.Space) error { return nil }

func (t *light) Put(s engine.Space, k, v []byte) error {
	if heavy, err := t.toFile(len(k) + len(v)); err != nil {
		return err
	} else if heavy {
		return t.heavy.Put(s, k, v)
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
	if heavy, err := t.toFile(len(k)); err != nil {
		return err
	} else if heavy {
		return t.heavy.Delete(s, k)
	}
	if len(k) > 0 && len(k) <= maxKey {
		t.note(s&31, k, nil, true)
	}
	return nil
}

// DeleteRange goes on in the file if there is much to delete.
func (t *light) DeleteRange(s engine.Space, from, to []byte) error {
	for t.heavy == nil {
		c := t.Cursor(s, engine.Range{From: from, To: to, KeysOnly: true})
		for t.heavy == nil {
			k, _, err := c.Next()
			if err != nil || k == nil {
				return err
			}
			if err := t.Delete(s, k); err != nil {
				return err
			}
		}
	}
	return t.heavy.DeleteRange(s, from, to)
}

// updateLight runs a transaction above the file. The caller holds write.
func (f *file) updateLight(ctx context.Context, fn func(engine.Tx) error) (err error) {
	b, over, err := f.read()
	if err != nil {
		return err
	}
	t := &light{reader: newReader(ctx, f, b), ctx: ctx, room: f.room, size: min(f.topBytes/8, mostChunk)}
	t.over = over
	err = func() (err error) {
		defer func() {
			p := recover()
			if p != nil && t.heavy != nil {
				_ = f.endInto(t.heavy, nil, nil) // p outranks it
				t.heavy = nil
			}
			err = f.over(b, &t.reader, p, err)
		}()
		return fn(t)
	}()
	if err == nil && t.heavy == nil && t.own != nil && !f.eng.take(t.cost(f.size.Load())) {
		if err := t.goOnInFile(); err != nil {
			return err
		}
	}
	if t.heavy != nil { // a commit may wait for readers, so the snapshot of this one has ended
		return f.endHeavy(ctx, t.heavy, err)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(ctx.Err(), f.stateNow()); err != nil || t.own == nil {
		return err
	}
	err = f.journal(ctx, recordWrite, t)
	if !errors.Is(err, engine.ErrFull) {
		return err
	}
	if err := t.goOnInFile(); err != nil { // the file may be on another disk
		return err
	}
	return f.endHeavy(ctx, t.heavy, nil)
}

// endHeavy commits a transaction that has become one of the file, unless something has failed.
func (f *file) endHeavy(ctx context.Context, t *tx, failed error) (err error) {
	defer func() { err = f.endInto(t, recover(), err) }()
	if failed != nil || t.damaged != nil {
		return failed
	}
	return f.commitInto(ctx, t)
}
