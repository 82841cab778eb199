package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// Compact drops the bodies of revisions that are not leaves, except for the common ancestors of
// conflicting leaves, stems trees to the revs limit, counts all documents and sets right the running totals if they are wrong, and has
// the engine give the space back. Readers and writers carry on meanwhile. It returns when done, or with ErrCompactRunning if another compaction is running.
func (db *DB) Compact(ctx context.Context) error {
	if !db.compacting.CompareAndSwap(false, true) {
		return ErrCompactRunning
	}
	defer db.compacting.Store(false)
	return db.compact(ctx)
}

// StartCompact begins a compaction in the background. It ends early when the database is
// deleted or the store closes. If one is already running, StartCompact does nothing.
func (db *DB) StartCompact() {
	if !db.compacting.CompareAndSwap(false, true) {
		return
	}
	db.inBackground(func(ctx context.Context) {
		defer db.compacting.Store(false)
		noted := AskedCompaction{DB: db.name}
		if sizer, ok := db.edb.(engine.Sizer); ok {
			noted.Total, _ = sizer.Size(ctx) // only to show how far it is
		}
		ctx, over := db.store.NoteCompaction(ctx, noted)
		defer over()
		if err := db.compact(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrNoDB) {
			db.store.opt.Logger.Error("compaction failed", "db", db.name, "error", err)
		}
	})
}

// inBackground does work that goes on after its request. Its context ends when the database is deleted
// or the store closes, and the database stays open for it.
func (db *DB) inBackground(work func(ctx context.Context)) {
	db.store.mu.Lock()
	db.store.acquire(db)
	db.store.mu.Unlock()
	db.background.Go(func() {
		defer db.Release()
		db.whileOpen(work)
	})
}

// whileOpen does work whose context ends when the database is deleted or closed.
func (db *DB) whileOpen(work func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(db.store.ctx)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	go func() { // ends with its parent
		select {
		case <-db.gone:
			cancel()
		case <-over:
		}
	}()
	work(ctx)
}

// CompactRunning reports whether the database is being compacted.
func (db *DB) CompactRunning() bool { return db.compacting.Load() }

func (db *DB) compact(ctx context.Context) error {
	if err := db.walk(ctx); err != nil {
		return fmt.Errorf("compact %q: %w", db.name, err)
	}
	if err := db.thinTimes(ctx); err != nil {
		return fmt.Errorf("compact %q: %w", db.name, err)
	}
	if err := db.mergeEpochs(ctx, keptEpochs); err != nil {
		return fmt.Errorf("compact %q: %w", db.name, err)
	}
	if c, ok := db.edb.(engine.Compacter); ok {
		if err := c.Compact(ctx); err != nil {
			return fmt.Errorf("compact %q: %w", db.name, db.failed(err))
		}
	}
	return nil
}

// trimBytes is about how much is written when a document is trimmed: a page of records.
const trimBytes = 4096

// walk walks all documents. It trims those that need it, and sets the totals right.
func (db *DB) walk(ctx context.Context) error {
	if db.shared {
		if err := db.dropInner(ctx, nil); err != nil {
			return err
		}
		return db.mendTotals(ctx, nil)
	}
	c := &recount{}
	db.recount.Store(c)
	defer db.recount.Store(nil)
	// A transaction that had begun before would tell nothing.
	if err := db.commits.submit(ctx, &op{upkeep: true, sparing: true, bytes: 1, apply: func(*writer) error { return nil }}); err != nil {
		return err
	}
	if err := db.dropInner(ctx, c); err != nil {
		return err
	}
	return db.mendTotals(ctx, c)
}

// dropInner walks all documents and trims those that need it, some hundred in each transaction. c, if there is one, gets
// what they add to the totals.
func (db *DB) dropInner(ctx context.Context, c *recount) error {
	const part = 200
	var from []byte
	for more := true; more; {
		var ids []string
		var page countedPage
		c.begins()
		err := db.view(ctx, func(r engine.Reader) error {
			ids, more = nil, false
			limit, err := db.revsLimitIn(r)
			if err != nil {
				return err
			}
			last, err := newest(r)
			if err != nil {
				return err
			}
			page = countedPage{asOf: last.seq}
			scanned, size := 0, 0
			return r.Scan(spaceDoc, engine.Range{From: from}, func(k, v []byte) (bool, error) {
				if isTotals(v) {
					return true, nil
				}
				rec, err := parseDocRecord(v)
				if err != nil {
					return false, fmt.Errorf("document %q: %w", k, err)
				}
				work, err := needsTrim(&rec, limit)
				if err != nil {
					return false, fmt.Errorf("document %q: %w", k, err)
				}
				if work {
					ids = append(ids, string(k))
					size += len(k)
				}
				if c != nil {
					if err := rec.addFigures(&page.found); err != nil {
						return false, fmt.Errorf("document %q: %w", k, err)
					}
				}
				scanned++
				if more = len(ids) >= part || size >= snapshotBytes || scanned >= snapshotRows; more {
					from = append(append([]byte(nil), k...), 0)
					page.to = from
				}
				return !more, nil
			})
		})
		if err != nil {
			return err
		}
		c.counted(page)
		if len(ids) == 0 {
			continue
		}
		if err := db.trim(ctx, ids); err != nil {
			return err
		}
		if err := engine.Throttled(ctx, trimBytes*len(ids)); err != nil {
			return err
		}
	}
	return nil
}

// trim applies a compaction to some documents. On a full disk, where there is no room to write anew all that this
// touches, there may be for a part of it, and that makes room for the next.
func (db *DB) trim(ctx context.Context, ids []string) error {
	err := db.commits.submit(ctx, &op{upkeep: true, sparing: true, docs: len(ids), bytes: 1024 * len(ids), apply: func(w *writer) error {
		for _, id := range ids {
			if err := w.trim(id); err != nil {
				return err
			}
		}
		return nil
	}})
	if n := len(ids) / 2; n > 0 && errors.Is(err, ErrFull) {
		if err := db.trim(ctx, ids[:n]); err != nil {
			return err
		}
		return db.trim(ctx, ids[n:])
	}
	return err
}

// trim applies a compaction to one document. Its sequence stays.
func (w *writer) trim(id string) error {
	d, err := w.load(id)
	if err != nil || d.rec.seq == 0 { // it is gone since it was found, or its tombstone has ended
		return err
	}
	limit, err := w.revsLimit()
	if err != nil {
		return err
	}
	forked := d.rec.flags&docForked != 0
	if forked { // a fork that is stemmed is needed no more
		if err := w.count(id, &d.tree, -1); err != nil {
			return err
		}
	}
	stemmed := d.tree.Stem(limit)
	old := supersededNodes(&d.tree)
	if err := w.dropBodies(append(stemmed, old...)); err != nil {
		return err
	}
	for _, n := range old {
		d.tree.SetData(n.Rev, nil)
	}
	if forked {
		if err := w.count(id, &d.tree, 1); err != nil {
			return err
		}
	}
	if len(old) == 0 && len(stemmed) == 0 {
		return nil
	}
	return w.saveTree(id, &d.tree, &d.rec, d.rec.seq)
}

// needsTrim reports whether there may be something to trim of a document.
func needsTrim(rec *docRecord, limit int) (bool, error) {
	// A revision takes more than eight bytes of the encoded tree.
	if rec.flags&docInner == 0 || len(rec.tree) > 8*limit {
		return len(rec.tree) > 8*limit, nil
	}
	if rec.flags&docForked == 0 {
		return true, nil
	}
	tree, err := rec.decode()
	return err == nil && len(supersededNodes(&tree)) > 0, err
}
