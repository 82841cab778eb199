package store

import "context"

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
