package store

import (
	"context"
	"slices"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// ExpireOptions say how Expire goes about it.
type ExpireOptions struct {
	// Floor, if not nil, gives the lowest sequence that somebody inside the server has reached who
	// is reading the feed now and keeps no checkpoint, if there is anybody. Tombstones after it stay.
	Floor func() (seq uint64, any bool)
	// Progress, if not nil, is called after each transaction: how much of the feed has been looked
	// at, and how many tombstones have ended.
	Progress func(done, total uint64, ended int)
}

// Expired is what an Expire has done.
type Expired struct {
	Ended     int // tombstones
	Forgotten int // checkpoints of peers that have not been seen for the grace period
}

// expirePart is how many tombstones end in one transaction, and expireBytes about how many bytes of
// trees.
const (
	expirePart  = 300
	expireBytes = 1 << 20
)

// Expire ends tombstones: those that are older than the lifetime that the database has set for them,
// and that every peer has read which has written its checkpoint within the grace period. It does
// nothing if none is set. It pauses between transactions for as long as one takes, so that writers
// get on. If it ends early, the next one goes on.
//
// A peer that has been away for longer may have missed deletions. Before any tombstone ends, Expire
// removes the checkpoints of such peers, those of writers too. So when they come back they compare
// everything, and learn of each document that they have in vain (RevsDiff).
func (db Bare) Expire(ctx context.Context, opt ExpireOptions) (done Expired, err error) {
	e := expiry{db: db.bareDB, opt: opt, now: db.store.opt.Clock()}
	if ok, err := e.begin(ctx); !ok || err != nil {
		return done, err
	}
	if err := e.findLimit(ctx); err != nil {
		return done, err
	}
	for e.from < e.limit {
		some, err := e.gather(ctx)
		if err != nil {
			return e.done, err
		}
		if len(some) > 0 {
			if err := e.forget(ctx); err != nil {
				return e.done, err
			}
		}
		if len(some) > 0 || e.scanned > noteScanned {
			began := time.Now()
			if err := e.end(ctx, some); err != nil {
				return e.done, err
			}
			if err := pause(ctx, time.Since(began)); err != nil {
				return e.done, err
			}
		}
		if opt.Progress != nil {
			opt.Progress(e.from, e.limit, e.done.Ended)
		}
	}
	return e.done, nil
}

// noteScanned is after how many changes in vain it is noted how far they have been looked at.
const noteScanned = 20_000

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// expiry is an Expire under way.
type expiry struct {
	db         *DB
	opt        ExpireOptions
	now        time.Time
	ttl, grace time.Duration
	done       Expired

	from, limit uint64       // tombstones in (from, limit] may end
	scanned     int          // changes looked at since it was noted
	away        []checkpoint // to remove before the first one ends
}

// begin reads the settings; ok says whether there is anything to do.
func (e *expiry) begin(ctx context.Context) (ok bool, err error) {
	if systemName(e.db.name) {
		return false, nil
	}
	var notes deaths
	err = e.db.view(ctx, func(r engine.Reader) error {
		life, err := readLifetime(r)
		if err != nil {
			return err
		}
		if e.ttl, e.grace, ok = life.periods(); !ok {
			return nil
		}
		notes, err = readDeaths(r)
		e.from = notes.reached
		return err
	})
	if err == nil && ok && notes.began == 0 {
		err = e.db.commits.submit(ctx, &op{upkeep: true, bytes: 64, apply: func(w *writer) error {
			d, err := w.deaths()
			if err == nil && d.began == 0 {
				d.began, d.changed = unixSecond(e.now), true
			}
			return err
		}})
	}
	return ok, err
}

// findLimit finds the last sequence whose tombstone may end.
func (e *expiry) findLimit(ctx context.Context) error {
	var notes deaths
	err := e.db.view(ctx, func(r engine.Reader) error {
		last, err := newest(r)
		if err != nil {
			return err
		}
		if notes, err = readDeaths(r); err != nil {
			return err
		}
		e.limit, err = committedBy(r, unixSecond(e.now.Add(-e.ttl)), last.seq)
		return err
	})
	if err != nil || e.limit <= e.from {
		return err
	}
	list, err := e.db.checkpoints(ctx)
	if err != nil {
		return err
	}
	since := unixSecond(e.now.Add(-e.grace))
	for _, c := range list {
		if c.seen == 0 {
			c.seen = notes.began
		}
		switch {
		case c.seq != 0 && c.seen >= since:
			e.limit = min(e.limit, c.seq)
		case c.seen < e.forgotten():
			e.away = append(e.away, c)
		}
	}
	e.away = slices.DeleteFunc(e.away, func(c checkpoint) bool { return c.seq >= e.limit }) // it has missed nothing
	return nil
}

// forgotten is the second before which a checkpoint must have been written last to be removed. Who
// does not know of a deletion that ends now has not been here for the time to live.
func (e *expiry) forgotten() uint64 { return unixSecond(e.now.Add(-min(e.ttl, e.grace))) }

// committedBy is the last sequence that was committed in a second or before.
func committedBy(r engine.Reader, second, newestSeq uint64) (uint64, error) {
	e, ok, err := timeAt(r, second, newestSeq)
	if err != nil || !ok {
		return 0, err
	}
	if e.end() > second {
		return e.after, nil
	}
	next, more, err := timeFrom(r, e.after+1)
	if err != nil || !more {
		return newestSeq, err
	}
	return next.after, nil
}

// tombstone is one that may end.
type tombstone struct {
	id  string
	seq uint64
}

// gather finds the next tombstones, and moves from.
func (e *expiry) gather(ctx context.Context) (some []tombstone, err error) {
	limit := e.limit
	if e.opt.Floor != nil {
		if floor, any := e.opt.Floor(); any {
			limit = min(limit, floor)
		}
	}
	if limit <= e.from {
		e.limit = e.from // the rest has to wait
		return nil, nil
	}
	err = e.db.view(ctx, func(r engine.Reader) error {
		some = nil
		last, rows, size, full := e.from, 0, 0, false
		err := r.Scan(spaceSeq, engine.Range{From: seqKey(e.from + 1), To: seqKey(limit + 1)}, func(k, v []byte) (bool, error) {
			seq, err := seqOfKey(k)
			if err != nil {
				return false, err
			}
			entry, err := parseSeqEntry(v)
			if err != nil {
				return false, err
			}
			if !entry.marker() && entry.deleted() {
				some = append(some, tombstone{string(entry.id), seq})
			}
			last, rows, size = seq, rows+1, size+len(v)
			full = len(some) >= expirePart || rows >= snapshotRows || size >= snapshotBytes
			return !full, nil
		})
		if err != nil {
			return err
		}
		e.scanned += rows
		if e.from = last; !full {
			e.from = limit
		}
		return nil
	})
	return some, err
}

// forget removes the checkpoints of peers that have been away.
func (e *expiry) forget(ctx context.Context) error {
	since := e.forgotten()
	gone := e.away
	e.away = nil
	for len(gone) > 0 {
		part := gone[:min(len(gone), expirePart)]
		gone = gone[len(part):]
		n := 0
		err := e.db.commits.submit(ctx, &op{upkeep: true, sparing: true, docs: len(part), bytes: 64 * len(part), apply: func(w *writer) error {
			n = 0
			for _, c := range part {
				v, err := w.tx.Get(spaceLocal, []byte(c.id))
				if err != nil {
					return err
				}
				second, _, err := localTime(v)
				if err != nil {
					return err
				}
				if v == nil || second >= since { // it has come back
					continue
				}
				n++
				if err := w.tx.Delete(spaceLocal, []byte(c.id)); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			return err
		}
		e.done.Forgotten += n
	}
	return nil
}

// end ends tombstones, in one transaction after another.
func (e *expiry) end(ctx context.Context, some []tombstone) error {
	e.scanned = 0
	for first := true; first || len(some) > 0; first = false {
		ended, taken := 0, 0
		err := e.db.commits.submit(ctx, &op{upkeep: true, sparing: true, docs: len(some), bytes: 128 * len(some), apply: func(w *writer) error {
			ended, taken = 0, 0
			size := 0
			notes, err := w.deaths()
			if err != nil {
				return err
			}
			reached := e.from
			for i, t := range some {
				if size >= expireBytes {
					reached = t.seq - 1
					break
				}
				taken = i + 1
				d, err := w.load(t.id)
				if err != nil {
					return err
				}
				if d.rec.seq != t.seq || !d.rec.deleted() {
					continue // it has moved
				}
				size += len(d.rec.tree)
				buried, err := w.bury(t.id, &d)
				if err != nil {
					return err
				}
				if buried {
					ended++
					notes.newest = max(notes.newest, t.seq)
				}
			}
			notes.reached, notes.changed = max(notes.reached, reached), true
			if ended == 0 {
				return nil
			}
			return w.mark()
		}})
		if err != nil {
			return err
		}
		e.done.Ended += ended
		some = some[taken:]
	}
	return nil
}

// Dead holds the figures of the documents of a database whose tombstones have ended.
type Dead struct {
	Count, Bytes uint64 // death records, and bytes of these
	// Newest is the sequence of the newest tombstone that has ended. Who has read the feed up to
	// there has missed none; who has read less may have.
	Newest   uint64
	Revivals uint64 // ever, of which the newest are remembered
	// Changes grows with every transaction that changes the records.
	Changes uint64
}

func (d *deaths) figures() Dead {
	return Dead{Count: d.count, Bytes: d.bytes, Newest: d.newest, Revivals: d.revivals, Changes: d.changes}
}

// Watermark says how far the peers have read that are waited for.
type Watermark struct {
	Seq    uint64 // the lowest of their places
	HeldBy string // the local document that says so; "": there is no such peer
	Peers  int    // that have been seen within the grace period
	Away   int    // that have not
}

// Watermark reads the checkpoints of all peers.
func (db *DB) Watermark(ctx context.Context) (m Watermark, err error) {
	life, err := db.Lifetime(ctx)
	if err != nil {
		return m, err
	}
	var notes deaths
	err = db.view(ctx, func(r engine.Reader) error {
		notes, err = readDeaths(r)
		return err
	})
	if err != nil {
		return m, err
	}
	list, err := db.checkpoints(ctx)
	_, grace, _ := life.periods()
	since := unixSecond(db.store.opt.Clock().Add(-grace))
	for _, c := range list {
		if c.seen == 0 {
			c.seen = notes.began
		}
		switch {
		case c.seq == 0:
		case c.seen < since:
			m.Away++
		default:
			if m.Peers++; m.HeldBy == "" || c.seq < m.Seq {
				m.Seq, m.HeldBy = c.seq, c.id
			}
		}
	}
	return m, err
}
