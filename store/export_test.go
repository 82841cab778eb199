package store

import "context"

// MergeEpochs is what a compaction does with the epochs.
func (db *DB) MergeEpochs(ctx context.Context, keep int) error { return db.mergeEpochs(ctx, keep) }
