package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// MergeEpochs is what a compaction does with the epochs.
func (db *DB) MergeEpochs(ctx context.Context, keep int) error { return db.mergeEpochs(ctx, keep) }

// Places are the sequences that checkpoints keep, as they are kept in memory.
func (db *DB) Places(ctx context.Context) (places []string, err error) {
	list, err := db.checkpoints(ctx)
	for _, c := range list {
		places = append(places, c.place)
	}
	return places, err
}

// ForgetConflicts makes a database as a release left it that noted no conflicts: one that made it, or one that
// moved it to another engine. That copies all other spaces, and the epochs.
func (db *DB) ForgetConflicts(ctx context.Context) error {
	db.conflicts.known.Store(false)
	return db.commits.submit(ctx, &op{apply: func(w *writer) error { return w.tx.DeleteRange(spaceConflict, nil, nil) }})
}

// OlderWriter does what such a release leaves in a database that had a note: an epoch that the note does
// not name, and conflicts that are not noted.
func (db *DB) OlderWriter(ctx context.Context) error {
	db.conflicts.known.Store(false)
	return db.commits.submit(ctx, &op{apply: func(w *writer) error {
		n, err := loadConflictsNote(w.tx)
		n.epoch = newEpochID()
		return errors.Join(err, w.tx.DeleteRange(spaceConflict, nil, nil), w.tx.Put(spaceConflict, seqKey(1), []byte{1, 0, 0}), w.tx.Put(spaceConflict, conflictsNoteKey, n.appendTo(nil)))
	}})
}

// SeeksConflicts tells whether somebody looks for conflicts.
func (db *DB) SeeksConflicts() bool {
	db.conflicts.mu.Lock()
	defer db.conflicts.mu.Unlock()
	return db.conflicts.running != nil
}

// LastWrite is when the last write ended that somebody waited for.
func (s *Store) LastWrite() int64 { return s.wrote.Load() }

// SetBack makes of all that was noted just now what was noted before the clock was set back.
func SetBack(s *Store, db *DB, by time.Duration) {
	for _, at := range []*atomic.Int64{&s.wrote, &s.visited, &db.proved} {
		at.Add(int64(by))
	}
}

// Queued is how many writes wait for the next transaction.
func Queued(db *DB) int {
	db.commits.mu.Lock()
	defer db.commits.mu.Unlock()
	return len(db.commits.queue)
}

// Miscount makes the running totals wrong, as an earlier release left them after some purges.
func (db *DB) Miscount(ctx context.Context, docs, deleted int, bytes int64) error {
	return db.commits.submit(ctx, &op{apply: func(w *writer) error {
		w.totals.add(&totals{uint64(docs), uint64(deleted), bytes, bytes})
		return nil
	}})
}
