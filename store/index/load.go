package index

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

// The first build of an index does not write it batch by batch. Rows do not come in the order
// of their keys, so each transaction would touch pages all over the index and hold them in
// memory. Instead they are sorted first, outside the index (runs). Then they are loaded in
// order, some at a time, with the summaries made on the way: each transaction touches only the
// ends of what is there.
//
// Until the last transaction, the state says that the index is being loaded, by whom, and that it
// is at sequence 0, so that nobody reads it. An index left like that is started anew.

// loadBytes is about how much one transaction of a load writes.
const loadBytes = 6 << 20

// recordCost is what a record takes in addition to its bytes.
const recordCost = 64

// buildFirst builds an empty index as far as its database is now, or as a build wanted to that was cut short:
// it goes on with what that has sorted.
func (ix *Index) buildFirst(ctx context.Context, st *state, info *store.Info, reducers []Reducer) (err error) {
	sorted, after, err := ix.sortedSoFar(ctx, info.UpdateSeq, info)
	// A process that ends leaves it to the next one. Any other failure would come again, or nobody wants the
	// index any more.
	defer func() { err = errors.Join(err, sorted.close(err != nil && ix.m.ctx.Err() != nil)) }()
	if err != nil {
		return err
	}
	to := info.UpdateSeq
	if sorted.kept {
		to = sorted.head.To
	}
	if after.purgeSeq = info.PurgeSeq; after.seq < to {
		err = ix.eachBatch(ctx, stretch{from: after.seq, to: to}, ix.m.first, func(b *batch) (err error) {
			a := applier{def: ix.def, state: &after, at: to, fresh: true}
			if err := a.compare(b); err != nil {
				return err
			}
			after.seq = b.to
			if after.of, err = stateOf(ctx, ix.db); err != nil {
				return err
			}
			if err := sorted.add(a.records(), b.to >= to, &after); err != nil {
				return err
			}
			ix.progress(b.to)
			return nil
		})
	}
	if err != nil {
		return err
	}
	after.seq = to
	for i := range after.views {
		if after.views[i].rows > 0 {
			after.views[i].changed = to
		}
	}
	l := loader{ctx: ctx, limit: ix.m.load, sub: ix.storage(), def: ix.def, reducers: reducers, begun: *st}
	l.begun.loader = rand.Text()
	if err := l.run(sorted, &after); err != nil {
		return err
	}
	*st = after
	return nil
}

// records returns what the batch's transaction would write into an empty index.
func (a *applier) records() []entry {
	out := make([]entry, 0, len(a.rows)+len(a.docs)+len(a.seqs))
	for _, list := range []struct {
		space engine.Space
		ops   []op
	}{{spaceRows, a.rows}, {spaceByDoc, a.docs}, {spaceBySeq, a.seqs}} {
		for _, o := range list.ops {
			if o.value != nil {
				out = append(out, entry{list.space, o.key, o.value})
			}
		}
	}
	return out
}

// loader writes sorted records.
type loader struct {
	ctx      context.Context
	limit    int // of a transaction, in bytes
	sub      engine.DB
	def      *Definition
	reducers []Reducer
	begun    state // during the load: with the loader's mark
	marked   bool  // begun is on disk

	writing chan error // the outcome of the write under way; nil: there is none

	segments *segmenter // of the view whose rows are coming; nil: none
	chunk    []entry    // to be written next
	arena    arena      // for the chunk
	size     int
}

func (l *loader) run(sorted *runs, after *state) error {
	defer l.wait() // if reading fails, the write under way is useless
	err := sorted.merge(l.ctx, func(r *entry) error {
		if l.size >= l.limit {
			if err := l.flush(nil); err != nil {
				return err
			}
		}
		if err := l.summarize(r); err != nil {
			return err
		}
		l.add(entry{r.space, l.arena.clone(r.key), l.arena.clone(r.value)})
		return nil
	})
	if err == nil {
		err = l.endView()
	}
	if err != nil {
		return err
	}
	return l.flush(after)
}

func (l *loader) add(r entry) {
	l.chunk = append(l.chunk, r)
	l.size += len(r.key) + len(r.value) + recordCost
}

// summarize adds a row to the segments of its view; any other record ends them.
func (l *loader) summarize(r *entry) error {
	if r.space != spaceRows {
		return l.endView()
	}
	view := r.key[0]
	if l.segments == nil || l.segments.view != view {
		if err := l.endView(); err != nil {
			return err
		}
		l.segments = &segmenter{view: view, red: l.reducers[view], put: func(k, v []byte) { l.add(entry{spaceSummary, k, v}) }}
	}
	return l.segments.row(r.key, r.value)
}

func (l *loader) endView() error {
	if l.segments == nil {
		return nil
	}
	err := l.segments.end()
	l.segments = nil
	return err
}

// flush writes what has gathered, with the state after the load if after is not nil. While it
// writes, the next records are read, unless these take much memory; with after, it waits for
// the write to end.
func (l *loader) flush(after *state) error {
	if err := l.wait(); err != nil {
		return err
	}
	chunk, large := l.chunk, l.size > 2*l.limit
	l.chunk, l.arena, l.size = make([]entry, 0, len(chunk)), arena{}, 0
	l.writing = make(chan error, 1)
	go func(done chan<- error) { done <- l.commit(chunk, after) }(l.writing)
	if after == nil && !large {
		return nil
	}
	return l.wait()
}

// wait waits for the write under way.
func (l *loader) wait() (err error) {
	if l.writing != nil {
		err = <-l.writing
		l.writing = nil
	}
	return err
}

// commit writes records. Repeating it does no harm.
func (l *loader) commit(chunk []entry, after *state) (err error) {
	slices.SortFunc(chunk, func(a, b entry) int { return a.compare(&b) })
	for range 10 {
		if err = l.sub.Update(l.ctx, func(tx engine.Tx) error { return l.write(tx, chunk, after) }); !errors.Is(err, engine.ErrUnknown) {
			break
		}
	}
	if err == nil {
		l.marked = true
	}
	return storageError(err)
}

func (l *loader) write(tx engine.Tx, chunk []entry, after *state) error {
	now, _, err := readState(tx, len(l.def.Views))
	if err != nil {
		return err
	}
	if now.seq != 0 || now.loader != l.begun.loader && (l.marked || now.loader != "") {
		return errMoved
	}
	if f, ok := tx.(engine.Filler); ok {
		for _, s := range []engine.Space{spaceRows, spaceByDoc, spaceSummary, spaceBySeq} {
			f.Fill(s)
		}
	}
	for i := range chunk {
		if err := tx.Put(chunk[i].space, chunk[i].key, chunk[i].value); err != nil {
			return err
		}
	}
	state := after
	if state == nil {
		state = &l.begun
	}
	return tx.Put(spaceState, stateKey, state.appendTo(nil))
}
