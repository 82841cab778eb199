package bolt

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/tododb/tododb/store/engine"
)

// reader reads one bbolt transaction, and the layers above it. It finds its own way through the pages,
// checks them before it believes them, and needs no objects of bbolt for that. It asks bbolt only for
// what the transaction itself has written.
type reader struct {
	file    *file
	tx      *bbolt.Tx // nil if the database has no file yet
	over    layers
	pace    engine.Pace
	pages   mapped
	root    uint64     // the page where the buckets begin
	roots   [32]uint64 // the page where a space begins, or one of the values below
	writing *writing   // nil in a View
	damaged error      // damage found; no later call or commit succeeds
}

// Other values of reader.roots: no tree begins at these pages.
const (
	unknown = 0
	absent  = 1          // nothing was ever written to it
	small   = ^uint64(0) // its only page is in the tree of buckets
)

func newReader(ctx context.Context, f *file, b *bbolt.Tx) (r reader) {
	r.begin(ctx, f, b)
	return r
}

// begin makes a reader of a zero one.
func (r *reader) begin(ctx context.Context, f *file, b *bbolt.Tx) {
	r.file, r.tx, r.pace = f, b, *engine.NewPace(ctx)
	if b == nil {
		for s := range r.roots {
			r.roots[s] = absent
		}
		return
	}
	r.pages, r.root = pagesOf(b), uint64(b.Cursor().Bucket().Root())
}

// readers are zero ones. They are kept: every request makes some.
var readers = sync.Pool{New: func() any { return new(reader) }}

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

// top is the page where a space begins, as it was before this transaction.
func (r *reader) top(s engine.Space) (p node, there bool) {
	at := &r.roots[s&31]
	switch *at {
	case absent:
		return p, false
	case unknown, small:
		p, *at = r.named([]byte{byte(s)})
		return p, *at != absent
	}
	return r.pages.node(*at), true
}

// named is the page where a bucket begins, and its value for reader.roots.
func (r *reader) named(name []byte) (p node, root uint64) {
	at, exact := r.pages.leaf(r.pages.node(r.root), goal{key: name})
	if !exact {
		return p, absent
	}
	head := at.header(at.i)
	if p, inline := smallPage(head); inline {
		return p, small
	}
	root = order.Uint64(head)
	return r.pages.node(root), root
}

// own is the bucket of a space that this transaction has written to; nil for any other, which
// is read from its pages.
func (r *reader) own(s engine.Space) *bbolt.Bucket {
	if w := r.writing; w != nil && w.written[s&31] {
		return w.buckets[s&31]
	}
	return nil
}

func (r *reader) Get(s engine.Space, k []byte) (v []byte, err error) {
	defer r.caught(&err)
	if r.damaged != nil {
		return nil, r.damaged
	}
	if len(k) == 0 {
		return nil, nil
	}
	if it, over := r.over.get(s, k); over {
		if !it.gone {
			v = it.value()
		}
	} else if b := r.own(s); b != nil {
		v = r.getOwn(s, b, k)
	} else if top, there := r.top(s); there {
		if p, exact := r.pages.leaf(top, goal{key: k}); exact {
			_, v = p.entry(p.i)
		}
	}
	return v, r.give(v)
}

// give is called with each value before it is returned. It refuses a value with an impossible
// length: a caller that copies it would ask for that much memory.
func (r *reader) give(v []byte) error {
	if len(v) > maxValue {
		return r.spoil(fmt.Sprintf("a value of %d bytes", len(v)))
	}
	return r.pace.Step(len(v))
}

func (r *reader) Last(s engine.Space) (k, v []byte, err error) {
	defer r.caught(&err)
	if r.damaged != nil {
		return nil, nil, r.damaged
	}
	if !r.over.none(s) {
		if k, v, known := r.lastOver(s); known {
			return k, v, r.give(v)
		}
	}
	if !r.over.nothing(s) {
		return r.merged(s, engine.Range{Reverse: true, Limit: 1}).Next()
	}
	if b := r.own(s); b != nil {
		k, v = (&written{Cursor: b.Cursor()}).Last()
	} else if top, there := r.top(s); there {
		if p, _ := r.pages.leaf(top, toLast); p.n > 0 {
			k, v = p.entry(p.i)
		}
	}
	return k, v, r.give(v)
}

// lastOver is the last entry of a space if a layer has it. That is the rule where keys only grow.
func (r *reader) lastOver(s engine.Space) (k, v []byte, known bool) {
	it, there := lastOf(r.over.top, s)
	if !there {
		return nil, nil, false
	}
	if below, also := lastOf(r.over.below, s); also && before(it, below) {
		it = below
	}
	if it.gone || r.over.oldest != nil && s == r.over.of {
		return nil, nil, false
	}
	if top, there := r.top(s); there {
		if p, _ := r.pages.leaf(top, toLast); p.n > 0 && bytes.Compare(p.key(p.i), it.key()) > 0 {
			return nil, nil, false
		}
	}
	return it.key(), it.value(), true
}

func (r *reader) Scan(s engine.Space, rg engine.Range, fn func(k, v []byte) (bool, error)) error {
	return engine.Each(r.Cursor(s, rg), fn)
}

func (r *reader) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	if r.over.none(s) {
		return r.paged(s, rg)
	}
	return r.merged(s, rg)
}
