package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
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
	// sparing says that it makes room, or takes hardly any: it may have what is kept of a full disk.
	sparing bool

	err  error
	done chan struct{} // if it waits, gets one when err is final and the data on disk; from then on only its caller has the op
}

// doneChans are kept: every write that waits needs one.
var doneChans = sync.Pool{New: func() any { return make(chan struct{}, 1) }}

func (o *op) run(w *writer) error {
	if o.apply == nil {
		return w.edit(o.edits)
	}
	return o.apply(w)
}

// committer applies the ops of one database in order of arrival, all waiting ones in one
// transaction: while one commit is on its way to disk, the next group gathers.
//
// Whoever finds no commit under way makes its own, and nobody has to be woken for it. What has gathered meanwhile is
// left to a goroutine that lives until nothing waits.
type committer struct {
	db *DB

	mu    sync.Mutex // guards what follows
	queue []*op
	busy  bool      // somebody commits
	rest  sync.Cond // nobody does any more

	group []*op // room for the next one; whoever commits has it

	finding atomic.Bool // findOut is at it
}

func newCommitter(db *DB) *committer {
	c := &committer{db: db}
	c.rest.L = &c.mu
	return c
}

// submit has an op applied and waits for it to finish. Once it is queued, the caller's context no
// longer counts: the caller must learn what became of its write.
func (c *committer) submit(ctx context.Context, o *op) error {
	if !o.upkeep {
		c.db.store.waiting.Add(1)
		defer c.db.store.noteWrite()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	if why := c.db.WhyGone(); why != nil {
		c.mu.Unlock()
		return why
	}
	if !c.busy {
		c.busy = true
		c.mu.Unlock()
		c.commitOwn(o)
		return o.err
	}
	o.done = doneChans.Get().(chan struct{})
	c.queue = append(c.queue, o)
	c.mu.Unlock()
	<-o.done
	doneChans.Put(o.done)
	return o.err
}

// commitOwn commits the op of the caller.
func (c *committer) commitOwn(o *op) {
	whole := false
	defer func() {
		if !whole {
			fall(recover())
		}
	}()
	c.group = append(c.group[:0], o)
	o.err = c.try(c.group)
	whole = true
	clear(c.group)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		c.end()
		return
	}
	go c.run()
}

// fall ends the process, as a panic of a goroutine does that nobody looks after: whoever calls may be
// somebody who would go on, but nobody knows what a half transaction has left behind.
func fall(cause any) {
	text := fmt.Sprintf("%v, in a transaction\n%s", cause, debug.Stack())
	go panic(text)
	select {}
}

// end says that nobody commits any more. The caller holds mu.
func (c *committer) end() {
	c.busy = false
	c.rest.Broadcast()
}

// wait waits until nobody commits any more. The caller has seen to it that nobody begins.
func (c *committer) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.busy {
		c.rest.Wait()
	}
}

// run serves the queue until it is empty, or the database stops.
func (c *committer) run() {
	for c.take() {
		c.commit(c.group)
		clear(c.group)
	}
}

// take takes the next group off the queue. If there is none, it ends.
func (c *committer) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if why := c.db.WhyGone(); why != nil {
		for _, o := range c.queue {
			o.err = why
			o.done <- struct{}{}
		}
		clear(c.queue)
		c.queue = c.queue[:0]
	}
	if len(c.queue) == 0 {
		c.end()
		return false
	}
	n, docs, size := 0, 0, 0
	for _, o := range c.queue {
		if docs, size = docs+o.docs, size+o.bytes; n > 0 && (docs > groupDocs || size > groupBytes) {
			break
		}
		n++
	}
	c.group = append(c.group[:0], c.queue[:n]...)
	c.queue = slices.Delete(c.queue, 0, n)
	return true
}

// commit applies a group and tells its members the outcome.
func (c *committer) commit(group []*op) {
	err := c.try(group)
	if errors.Is(err, ErrFull) {
		group = c.commitSparing(group)
	}
	if len(group) > 1 && severable(err) {
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

// severable tells that an error of a group may be that of one of its members.
func severable(err error) bool {
	return err != nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrFull) && !errors.Is(err, ErrNoDB) && !errors.Is(err, ErrDamaged)
}

// commitSparing commits those of a group for which there may be room though there is none for all, and returns the others.
// If there is none for all of those either, each has a transaction of its own, the smallest first, as long as there is room.
func (c *committer) commitSparing(group []*op) (others []*op) {
	var some []*op
	for _, o := range group {
		if o.sparing {
			some = append(some, o)
		} else {
			others = append(others, o)
		}
	}
	if len(group) == 1 || len(some) == 0 {
		return group
	}
	err := ErrFull // if there are no others, all of these have just been tried together
	if len(others) > 0 {
		err = c.try(some)
	}
	alone := len(some) > 1 && (errors.Is(err, ErrFull) || severable(err))
	if alone {
		slices.SortStableFunc(some, func(a, b *op) int { return cmp.Compare(a.bytes, b.bytes) })
		err = nil
	}
	for _, o := range some {
		if alone && !errors.Is(err, ErrFull) {
			err = c.try([]*op{o})
		}
		o.err = err
		o.done <- struct{}{}
	}
	return others
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
	ctx := c.db.store.ctx
	if !slices.ContainsFunc(group, func(o *op) bool { return !o.sparing }) {
		ctx = engine.UseReserve(ctx)
	}
	began := time.Now()
	for n := 0; ; n++ {
		err := c.db.edb.Update(ctx, func(tx engine.Tx) error {
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
			if err := w.tellTotals(); err != nil {
				return err
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
			if w.recount != nil {
				w.recount.committed(w.figures, w.last)
			}
			if !unlisted(c.db.name) {
				c.db.store.opt.Committed(int(w.last-w.before), time.Since(began))
			}
			missed := !c.db.shared && w.before > c.db.news.newest() // a commit of unknown outcome took place
			if missed {
				c.db.seqs.Forget()
				c.db.ids.Forget()
			}
			if w.last > w.before || missed {
				c.db.news.advance(w.last)
				c.db.seqs.Committed(w.moves)
				c.db.ids.Committed(w.moves)
				c.db.store.events.add(Event{DB: c.db.name, Type: "updated", At: c.db.at(w.last, c.db.eraBegun.Load())})
			}
			return nil
		case errors.Is(err, engine.ErrUnknown) && n < unknownRetries && time.Since(began) < unknownPatience:
			continue
		}
		failure := c.db.failed(err)
		if n > 0 && c.db.WhyGone() == nil && !errors.Is(failure, ErrUnknown) { // it says nothing of what was tried before
			failure = fmt.Errorf("%w: %w: %v", ErrUnavailable, ErrUnknown, failure)
		}
		if errors.Is(failure, ErrUnknown) {
			if w.recount != nil {
				w.recount.lose()
			}
			c.findOut()
		}
		return fmt.Errorf("write to %q: %w", c.db.name, failure)
	}
}

// Pauses between two tries to find out what became of a commit.
const (
	firstFindOut = 10 * time.Millisecond
	mostFindOut  = time.Second
)

// findOut has a transaction made as soon as that is possible again, which finds what a commit of unknown outcome has
// written: else who waits for changes, or remembers what there was before, would learn of it with the next write only.
// Where several processes write, all follow what is there.
func (c *committer) findOut() {
	if c.db.shared || !c.finding.CompareAndSwap(false, true) {
		return
	}
	c.db.starting.Lock()
	defer c.db.starting.Unlock()
	if c.db.WhyGone() != nil { // who opens it next reads what there is
		return
	}
	c.db.inBackground(func(ctx context.Context) {
		defer c.finding.Store(false)
		for wait := firstFindOut; ; wait = min(2*wait, mostFindOut) {
			if pause(ctx, wait) != nil {
				return
			}
			err := c.submit(ctx, &op{upkeep: true, sparing: true, bytes: 1, apply: func(*writer) error { return nil }})
			if err == nil || !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrFull) {
				return
			}
		}
	})
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
