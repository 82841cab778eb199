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

// build brings the index up to the present state of its database, and wakes those who wait.
func (ix *Index) build(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { // nobody can ask for the result any more
		select {
		case <-ix.db.Gone():
		case <-ix.retired:
		case <-ctx.Done():
		}
		cancel()
	})
	ix.mu.Lock()
	ix.begun++
	before := ix.seq
	ix.mu.Unlock()
	err := ix.buildAlone(ctx)
	for tries, at := 0, before; tries < 5 && ctx.Err() == nil; tries++ {
		moved := errors.Is(err, errMoved)
		if errors.Is(err, ErrCorrupt) {
			ix.condemn(ix.madeNow(), err)
		} else if !moved && !errors.Is(err, engine.ErrUnknown) {
			break
		}
		// Another process may be faster with each batch of many. As long as the index gets on, that is no failure.
		if now := ix.seqNow(); moved && now > at {
			at, tries = now, 0
		}
		// The state of the index now shows what has happened.
		err = ix.buildAlone(ctx)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNoDB) {
		ix.m.opt.Log.Warn("cannot build an index", "db", ix.id.db, "index", ix.def.Label, "error", err)
	}
	ix.mu.Lock()
	ix.ended = ix.begun
	ix.err = ix.failed(err)
	ix.want = ix.settled // callers still waiting ask again
	ix.building = false
	changed := ix.seq != before
	ix.tell()
	ix.mu.Unlock()
	if changed {
		ix.m.opt.Built(ix.id.db, ix.id.signature)
	}
	return err
}

// buildOn builds from where the index is.
func (ix *Index) buildOn(ctx context.Context) error {
	info, err := ix.db.Info(ctx)
	if err != nil {
		return err
	}
	ix.mu.Lock()
	damaged := ix.damaged
	ix.mu.Unlock()
	if damaged {
		if err := ix.renew(ctx); err != nil {
			return err
		}
	}
	st, _, err := loadState(ctx, ix.storage(), len(ix.def.Views))
	if errors.Is(err, engine.ErrNoDB) {
		if err := ix.reopen(ctx); err != nil { // the database may be gone too
			return err
		}
		st, _, err = loadState(ctx, ix.storage(), len(ix.def.Views))
	}
	if err != nil {
		return storageError(err)
	}
	if st.loader != "" { // an unfinished load, or another process's
		if err := ix.renew(ctx); err != nil {
			return err
		}
		st = state{views: make([]viewState, len(ix.def.Views))}
	}
	st.signature = ix.id.signature
	began, ended := st.seq, info.Dead.Newest
	if st.seq > 0 && st.seq < ended {
		if err := ix.renewMissed(ctx, &st); err != nil {
			return err
		}
		began = 0
	}
	ix.reached(st.seq)
	behind := st.seq < info.UpdateSeq || st.purgeSeq < info.PurgeSeq
	if !behind { // a build that was cut short may have left dead entries
		if _, behind, err = ix.toLetGo(ctx, ended); err != nil {
			return err
		}
	}
	if !behind {
		ix.settle(st.seq)
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
	if st.seq > 0 { // an empty index has nothing to purge
		if purgeSeq, err = ix.purge(ctx, &st, info.UpdateSeq, reducers); err != nil {
			return err
		}
	}
	if st.seq == 0 {
		err := ix.buildFirst(ctx, &st, &info, reducers)
		if errors.Is(err, engine.ErrFull) { // the partial load is useless, and others need the space
			err = errors.Join(err, ix.renew(ctx))
		}
		if err != nil {
			return err
		}
		// The first build reads each document once, so it misses documents that move meanwhile.
		if info, err = ix.db.Info(ctx); err != nil {
			return err
		}
		if purgeSeq = st.purgeSeq; info.UpdateSeq == st.seq {
			ix.reached(st.seq)
			ix.settle(st.seq)
			return nil
		}
	}
	if err := ix.catchUp(ctx, &st, info.UpdateSeq, purgeSeq, reducers); err != nil {
		return err
	}
	if info, err = ix.db.Info(ctx); err != nil {
		return err
	}
	if info.PurgeSeq > st.purgeSeq { // the changes that the index has now may be those of a purge
		if _, err := ix.purge(ctx, &st, st.seq, reducers); err != nil {
			return err
		}
		if st.seq == 0 {
			return errMoved
		}
	}
	// The changes that the index has now may be those of tombstones that have ended meanwhile.
	newest := info.Dead.Newest
	if newest > ended && newest > began { // it may have missed them
		return errors.Join(ix.renewMissed(ctx, &st), errMoved)
	}
	if err := ix.letGo(ctx, &st, newest, reducers); err != nil {
		return err
	}
	ix.settle(st.seq)
	return nil
}

// settle announces that callers who wait for a sequence up to this one may read.
//
// While changes are applied in several batches, a document may move in the feed before it is
// read. Until its new place is read, the index has an old state of it, or none. So callers wait
// until the index is as the database was at some time. It is so when the end of a batch was read
// while there was no later change: documents that had moved by then were read at their new place.
// Documents that move later are in the index as they were at that time.
func (ix *Index) settle(seq uint64) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if seq != ix.settled {
		ix.settled = seq
		ix.tell()
	}
}

// settledAt is the newest sequence for which nobody waits.
func (ix *Index) settledAt() uint64 {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.settled
}

// seqNow is how far the index is, as far as is known here.
func (ix *Index) seqNow() uint64 {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.seq
}

// reached announces how far the index is.
func (ix *Index) reached(seq uint64) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.building && seq > ix.seq {
		ix.task.Done += seq - ix.seq
		ix.task.Updated = time.Now()
	}
	if seq != ix.seq {
		ix.seq = seq
		ix.lost = ix.lost && seq == 0
		ix.tell()
	}
}

// progress announces how far a first build has read; nobody can read that yet.
func (ix *Index) progress(seq uint64) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.task.Done, ix.task.Updated = seq, time.Now()
}

// madeNow says which storage the index has now.
func (ix *Index) madeNow() int {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.made
}

// These bound how far catchUp goes on while writers write: mostFurther times the way that it had
// to go, and someSequence more. It gets that far only if writers change other documents all the
// time, nearly as fast as changes are mapped.
const (
	mostFurther  = 4
	someSequence = 100_000
)

// catchUp applies the changes up to a sequence, and later ones until the index is as the database
// was at some time.
func (ix *Index) catchUp(ctx context.Context, st *state, to, purgeSeq uint64, reducers []Reducer) error {
	sub := ix.storage()
	limit, err := ix.m.first.later(ctx, sub, st)
	if err != nil {
		return err
	}
	w := writer{ix.db, sub, ix.def, reducers, st}
	most := to + mostFurther*(to-st.seq) + someSequence
	return ix.eachBatch(ctx, stretch{from: st.seq, to: to, most: most}, limit, func(b *batch) error {
		err := w.write(ctx, b, purgeSeq)
		if err == nil {
			ix.reached(st.seq)
		}
		return err
	})
}

// stretch is a part of the feed that is to be mapped: (from, to].
type stretch struct {
	from, to uint64
	// most, if it is not 0, lets the stretch go on until a batch is whole, or ends after most.
	most uint64
}

// eachBatch maps the changes of a stretch, and calls fn for each batch. While fn works, the next
// batch is mapped, unless this one takes much memory.
func (ix *Index) eachBatch(ctx context.Context, s stretch, limit batchLimit, fn func(*batch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	to := s.to
	c := collector{def: ix.def, db: ix.db, limit: limit, follow: s.most > 0}
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
	next := begin(s.from)
	for next != nil {
		got := <-next
		if got.err != nil {
			return got.err
		}
		next = nil
		more := got.b.to < to || !got.b.whole && got.b.to < s.most
		if more && !got.b.large {
			next = begin(got.b.to)
		}
		if err := fn(got.b); err != nil {
			if next != nil {
				cancel()
				<-next
			}
			return err
		}
		if more && next == nil {
			next = begin(got.b.to)
		}
	}
	return nil
}

// purge removes documents that were purged entirely, as of an update sequence, and returns the
// purge sequence it has reached.
// If something is left of a document, it has moved in the feed, which brings it.
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
		ix.m.opt.Log.Warn("rebuilding an index", "db", ix.id.db, "index", ix.id.signature, "why", "it has not seen purges that are no longer recorded")
		*st = state{signature: st.signature, views: make([]viewState, len(st.views))}
		return last, ix.renew(ctx)
	}
	b := &batch{from: st.seq, to: st.seq, at: now}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	err = ix.db.GetMany(ctx, ids, store.ReadOptions{Deleted: true, NoBody: true}, func(i int, d *store.Document, err error) error {
		if errors.Is(err, store.ErrMissing) || d != nil && d.Seq == 0 { // or dead
			b.docs = append(b.docs, mapped{id: ids[i], purged: true})
			err = nil
		}
		return err
	}, nil)
	if err != nil {
		return last, err
	}
	w := writer{ix.db, ix.storage(), ix.def, reducers, st}
	return last, w.write(ctx, b, last)
}
