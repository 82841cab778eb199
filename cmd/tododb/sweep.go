package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tododb/tododb/store"
)

// sweepEvery is how often a server looks for attachments that nothing refers to. They are
// kept for a day, so an hour more or less does not matter.
const sweepEvery = time.Hour

// sweepUntil sweeps every database from time to time until ctx ends.
func sweepUntil(ctx context.Context, st *store.Store, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := sweepAll(ctx, st); err != nil && ctx.Err() == nil {
			log.Error("cannot remove unused attachments", "error", err)
		}
	}
}

// sweepAll sweeps all databases. If one is damaged, it continues with the others.
func sweepAll(ctx context.Context, st *store.Store) error {
	names, err := allNames(ctx, st)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		err := withDB(ctx, st, name, func(db store.Bare) error { return db.Sweep(ctx) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, store.ErrNoDB) { // not just deleted
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
