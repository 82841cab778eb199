package index

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

// build brings the index up to where its database is now, and tells those who wait.
func (ix *Index) build(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { // a build of what nobody can ask for any more is not worth finishing
		select {
		case <-ix.db.Gone():
		case <-ix.retired:
		case <-ctx.Done():
		}
		cancel()
	})
	ix.mu.Lock()
	ix.begun++
	ix.mu.Unlock()
	err := ix.buildOn(ctx)
	for tries := 0; errors.Is(err, errMoved) || errors.Is(err, engine.ErrUnknown); tries++ {
		// Where the index stands now tells what has taken place.
		if tries == 5 {
			break
		}
		err = ix.buildOn(ctx)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNoDB) {
		ix.m.opt.Log.Warn("building an index", "db", ix.id.db, "index", ix.def.Label, "error", err)
	}
	ix.mu.Lock()
	ix.ended = ix.begun
	ix.err = translate(err)
	ix.want = ix.seq // whoever still waits asks again
	ix.building = false
	ix.tell()
	ix.mu.Unlock()
	return err
}

// buildOn builds from where the index stands.
func (ix *Index) buildOn(ctx context.Context) error {
	info, err := ix.db.Info(ctx)
	if err != nil {
		return err
	}
	st, _, err := loadState(ctx, ix.sub, len(ix.def.Views))
	if err != nil {
		return err
	}
	st.signature, st.instance = ix.id.signature, ix.id.instance
	ix.reached(st.seq)
	if st.seq >= info.UpdateSeq && st.purgeSeq >= info.PurgeSeq {
		return nil
	}
	ix.mu.Lock()
	now := time.Now()
	ix.building = true
	ix.task = Task{DB: ix.id.db, Label: ix.def.Label, Started: now, Updated: now, Total: info.UpdateSeq - st.seq}
	ix.mu.Unlock()

	reducers := make([]Reducer, len(ix.def.Views))
	defer func() {
		for _, r := range reducers {
			if r != nil {
				r.Close()
			}
		}
	}()
	for i, v := range ix.def.Views {
		if v.NewReducer != nil {
			if reducers[i], err = v.NewReducer(ctx); err != nil {
				return err
			}
		}
	}
	purgeSeq := info.PurgeSeq
	if st.seq > 0 { // else nothing is in it that could have been purged
		if purgeSeq, err = ix.purge(ctx, &st, info.UpdateSeq, reducers); err != nil {
			return err
		}
	}
	return ix.catchUp(ctx, &st, info.UpdateSeq, purgeSeq, reducers)
}

// reached makes known how far the index is.
func (ix *Index) reached(seq uint64) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.building && seq > ix.seq {
		ix.task.Done += seq - ix.seq
		ix.task.Updated = time.Now()
	}
	if seq != ix.seq {
		ix.seq = seq
		ix.tell()
	}
}

// catchUp takes in the changes up to a sequence. While a batch is written the next one
// is mapped.
func (ix *Index) catchUp(ctx context.Context, st *state, to, purgeSeq uint64, reducers []Reducer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := collector{def: ix.def, db: ix.db}
	defer c.close()
	type collected struct {
		b   *batch
		err error
	}
	begin := func(from uint64) <-chan collected {
		done := make(chan collected, 1)
		go func() {
			b, err := c.collect(ctx, from, to)
			done <- collected{b, err}
		}()
		return done
	}
	next := begin(st.seq)
	for next != nil {
		got := <-next
		if got.err != nil {
			return got.err
		}
		next = nil
		if got.b.to < to {
			next = begin(got.b.to)
		}
		if err := apply(ctx, ix.sub, ix.def, reducers, st, got.b, purgeSeq); err != nil {
			if next != nil {
				cancel()
				<-next
			}
			return err
		}
		ix.reached(st.seq)
	}
	return nil
}

// purge removes what was purged altogether, now at an update sequence, and returns how far
// it is with that.
// Documents of which something is left have moved in the feed, which brings them.
func (ix *Index) purge(ctx context.Context, st *state, now uint64, reducers []Reducer) (uint64, error) {
	var ids []string
	last := st.purgeSeq
	forgotten := false
	err := ix.db.PurgesAfter(ctx, st.purgeSeq, func(p store.PurgeInfo) error {
		forgotten = forgotten || p.Seq != last+1
		last = p.Seq
		ids = append(ids, p.ID)
		return nil
	})
	if err != nil || last == st.purgeSeq {
		return last, err
	}
	if forgotten {
		ix.m.opt.Log.Warn("an index is built anew", "db", ix.id.db, "index", ix.id.signature, "why", "purges that it had not seen are forgotten")
		ix.reached(0) // before it is so: nobody who comes now takes it for what it was
		return last, ix.clear(ctx, st)
	}
	b := &batch{from: st.seq, to: st.seq, at: now}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	err = ix.db.GetMany(ctx, ids, store.ReadOptions{Deleted: true, NoBody: true}, func(i int, _ *store.Document, err error) error {
		if errors.Is(err, store.ErrMissing) {
			b.docs = append(b.docs, mapped{id: ids[i], purged: true})
			err = nil
		}
		return err
	})
	if err != nil {
		return last, err
	}
	return last, apply(ctx, ix.sub, ix.def, reducers, st, b, last)
}

// clear empties the index.
func (ix *Index) clear(ctx context.Context, st *state) error {
	empty := state{signature: st.signature, instance: st.instance, views: make([]viewState, len(st.views))}
	err := ix.sub.Update(ctx, func(tx engine.Tx) error {
		for _, s := range []engine.Space{spaceRows, spaceByDoc, spaceSummary, spaceBySeq} {
			if err := tx.DeleteRange(s, nil, nil); err != nil {
				return err
			}
		}
		return tx.Put(spaceState, stateKey, empty.appendTo(nil))
	})
	if err == nil {
		*st = empty
	}
	return err
}
