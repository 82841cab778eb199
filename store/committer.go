package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/engine"
)

// The most that one transaction takes. A single op may be larger: it then has a transaction to
// itself.
const (
	groupDocs  = 1000
	groupBytes = 8 << 20
)

// unknownRetries and unknownPatience bound how often and for how long the committer looks into a commit of
// unknown outcome before it tells the writers that the outcome is unknown.
const (
	unknownRetries  = 5
	unknownPatience = 30 * time.Second
)

// op is something to write. apply decides and writes inside the transaction, and leaves its
// outcome where its caller finds it. It may run again from the start, so it first forgets any
// earlier outcome. It returns an error only if storage fails, which fails the whole group; a
// fault of one document is not an error of apply.
type op struct {
	apply func(w *writer) error
	// edits are what it writes if apply is nil.
	edits []pendingEdit
	// ahead, if not nil, names what apply will Get. What it does not name costs a round trip where the
	// engine is behind a network, while all writers wait.
	ahead func(w *wanted)
	docs  int // how many documents and bytes it adds, to size a group
	bytes int
	// upkeep says that nobody waits for an answer to it.
	upkeep bool

	err  error
	done chan struct{} // gets one when err is final and the data on disk; from then on only its caller has the op
}

// doneChans are kept: every write needs one.
var doneChans = sync.Pool{New: func() any { return make(chan struct{}, 1) }}

func (o *op) run(w *writer) error {
	if o.apply == nil {
		return w.edit(o.edits)
	}
	return o.apply(w)
}

// committer applies the ops of one database in order of arrival, all waiting ones in one
// transaction: while one commit is on its way to disk, the next group gathers.
type committer struct {
	db     *DB
	queue  chan *op
	exited chan struct{}
	group  []*op // room for the next one
}

func newCommitter(db *DB) *committer {
	return &committer{db: db, queue: make(chan *op, 256), exited: make(chan struct{})}
}

// submit queues an op and waits for it to finish. Once it is queued, the caller's context no
// longer counts: the caller must learn what became of its write.
func (c *committer) submit(ctx context.Context, o *op) error {
	o.done = doneChans.Get().(chan struct{})
	if !o.upkeep {
		c.db.store.waiting.Add(1)
		defer c.db.store.noteWrite()
	}
	select {
	case <-c.db.gone:
		return c.db.stopErr
	default:
	}
	select {
	case c.queue <- o:
	case <-c.db.gone:
		return c.db.stopErr
	case <-ctx.Done():
		return ctx.Err() // the write has not begun
	}
	select {
	case <-o.done:
		doneChans.Put(o.done)
		return o.err
	case <-c.exited:
	}
	select { // it may have been the last op served
	case <-o.done:
		doneChans.Put(o.done)
		return o.err
	default:
		return c.db.stopErr
	}
}

// run serves the queue until the database stops.
func (c *committer) run() {
	defer close(c.exited)
	var held *op // taken from the queue, but too large for the group
	for {
		var first *op
		if first, held = held, nil; first == nil {
			select {
			case first = <-c.queue:
			case <-c.db.gone:
				return
			}
		}
		group := append(c.group[:0], first)
		docs, size := first.docs, first.bytes
	gather:
		for {
			select {
			case o := <-c.queue:
				if docs+o.docs > groupDocs || size+o.bytes > groupBytes {
					held = o
					break gather
				}
				docs, size = docs+o.docs, size+o.bytes
				group = append(group, o)
			default:
				break gather
			}
		}
		c.commit(group)
		clear(group)
		c.group = group
	}
}

// commit applies a group and tells its members the outcome.
func (c *committer) commit(group []*op) {
	err := c.try(group)
	if err != nil && len(group) > 1 && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrFull) && !errors.Is(err, ErrNoDB) && !errors.Is(err, ErrDamaged) {
		// One of them cannot be stored: do not let it fail the others.
		for _, o := range group {
			o.err = c.try([]*op{o})
			o.done <- struct{}{}
		}
		return
	}
	for _, o := range group {
		o.err = err
		o.done <- struct{}{}
	}
}

// try runs a group in one transaction. If the engine cannot say whether the commit happened,
// try looks.
func (c *committer) try(group []*op) error {
	w := writers.Get().(*writer)
	w.db = c.db
	defer func() { // the engine has let go of its memory
		clear(w.moves)
		*w = writer{arena: w.arena[:0], moves: w.moves[:0]}
		writers.Put(w)
	}()
	began := time.Now()
	for n := 0; ; n++ {
		err := c.db.edb.Update(c.db.store.ctx, func(tx engine.Tx) error {
			if n > 0 {
				if there, err := w.proof.holds(tx); there || err != nil {
					return err
				}
			}
			if err := w.begin(tx, group); err != nil {
				return err
			}
			for _, o := range group {
				w.began, w.quota = w.last, c.db.quota()
				if err := o.run(w); err != nil {
					return err
				}
			}
			if err := w.savePartitions(); err != nil {
				return err
			}
			return w.saveDeaths()
		})
		switch {
		case err == nil:
			c.db.prove()
			if w.design != 0 && !c.db.shared {
				c.db.design.Store(w.design)
			}
			if w.entered {
				c.db.lineage.begun.Store(true)
				if w.era.ID != 0 {
					c.db.eraBegun.Store(w.era.ID)
				}
			}
			c.db.superseded.Add(w.bodies - w.needed)
			if !unlisted(c.db.name) {
				c.db.store.opt.Committed(int(w.last-w.before), time.Since(began))
			}
			if w.last > w.before {
				c.db.news.advance(w.last)
				c.db.seqs.Committed(w.moves)
				c.db.ids.Committed(w.moves)
				c.db.store.events.add(Event{DB: c.db.name, Type: "updated", At: c.db.at(w.last, c.db.eraBegun.Load())})
			}
			return nil
		case errors.Is(err, engine.ErrUnknown) && n < unknownRetries && time.Since(began) < unknownPatience:
			continue
		}
		return fmt.Errorf("write to %q: %w", c.db.name, c.db.failed(err))
	}
}

// proof is what a transaction leaves behind, so that a later one can tell that it was
// committed. A transaction without one can simply be repeated.
type proof struct {
	seq   uint64 // the last sequence it inserted, and the entry there
	entry []byte
	id    string // a document it wrote, a revision whose body it added, and where that body is
	rev   revtree.Rev
	data  []byte
}

func (p *proof) holds(r engine.Reader) (bool, error) {
	if p.seq == 0 {
		return false, nil
	}
	v, err := r.Get(spaceSeq, seqKey(p.seq))
	if err != nil || bytes.Equal(v, p.entry) {
		return err == nil, err
	}
	if p.id == "" || v != nil { // a sequence is never handed out twice
		return false, nil
	}
	if v, err = r.Get(spaceDoc, []byte(p.id)); err != nil || v == nil {
		return false, err
	}
	rec, err := parseDocRecord(v)
	if err != nil {
		return false, err
	}
	tree, err := rec.decode()
	if err != nil {
		return false, err
	}
	// The revision alone proves nothing: it may have been there before, as an ancestor.
	n, _ := tree.Find(p.rev)
	return bytes.Equal(n.Data, p.data), nil
}
