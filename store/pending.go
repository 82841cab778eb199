package store

import (
	"context"
	"math"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/ranks"
)

// pending counts the entries that a read has not reached.
func (db *DB) pending(ctx context.Context, c *changesRead) (n int, err error) {
	if c.end.Done || c.q.Descending {
		return 0, nil
	}
	if c.q.InConflict {
		return db.countConflicts(ctx, c.end.Last)
	}
	count := countAfter // ranks miss what other processes write
	if !db.store.eng.Caps().Shared {
		if err := db.seqs.Ready(ctx, counted{db}); err != nil {
			return 0, err
		}
		count = db.seqs.After
	}
	err = db.view(ctx, func(r engine.Reader) (err error) {
		n, err = count(r, counted{db}, c.end.Last)
		return err
	})
	return n, err
}

// countAfter counts the changes after a sequence where the storage is.
func countAfter(r engine.Reader, db ranks.Database, seq uint64) (int, error) {
	c, ok := inner(r).(engine.Counter)
	if !ok {
		return ranks.CountAfter(r, db, seq)
	}
	left := engine.Range{From: seqKey(seq + 1)}
	engine.FetchCount(inner(r), spaceSeq, left)
	newest, marker, err := db.Newest(r)
	if err != nil || seq >= newest {
		return 0, err
	}
	n, err := c.Count(spaceSeq, left)
	if marker {
		n--
	}
	return n, err
}

// countAhead has what the whole read could return be counted with its first page, if that will be the only one. The
// count then costs no round trip of its own.
func (c *changesRead) countAhead(r engine.Reader) {
	if c.left > 0 && c.left < c.q.pageRows() && !c.q.judged() && c.db.shared && c.q.Since < math.MaxUint64 {
		c.counted = true // the engine counts, for there are several processes
		engine.FetchCount(inner(r), spaceSeq, engine.Range{From: seqKey(c.q.Since + 1)})
	}
}

// countLeft is what countAhead has counted less what was read.
func (c *changesRead) countLeft(r engine.Reader, more bool) error {
	if c.counted = !more; more || c.end.Done { // a page of large documents is cut short
		return nil
	}
	n, err := inner(r).(engine.Counter).Count(spaceSeq, engine.Range{From: seqKey(c.q.Since + 1)})
	if c.end.Pending = n - c.end.Seen; c.marker {
		c.end.Pending--
	}
	return err
}
