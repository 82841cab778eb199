package index

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/engine"
)

// Compact gives back the space of removed rows.
func (ix *Index) Compact(ctx context.Context) error {
	if c, ok := ix.storage().(engine.Compacter); ok {
		return ix.failed(c.Compact(ctx))
	}
	return nil
}

// StartCompact compacts in the background, unless a compaction is already running.
func (ix *Index) StartCompact() {
	ix.m.mu.Lock()
	defer ix.m.mu.Unlock()
	if ix.m.closed || ix.compacting {
		return
	}
	ix.compacting = true
	ix.users++
	ix.m.wg.Go(func() {
		noted := store.AskedCompaction{DB: ix.id.db, Index: ix.def.Label}
		if sizer, ok := ix.storage().(engine.Sizer); ok {
			noted.Total, _ = sizer.Size(ix.m.ctx) // only to show how far it is
		}
		ctx, over := ix.m.opt.Store.NoteCompaction(ix.m.ctx, noted)
		defer over()
		if err := ix.Compact(ctx); err != nil && ix.m.ctx.Err() == nil && !errors.Is(err, store.ErrNoDB) {
			ix.m.opt.Log.Error("cannot compact an index", "db", ix.id.db, "index", ix.def.Label, "error", err)
		}
		ix.m.mu.Lock()
		ix.compacting = false
		ix.m.mu.Unlock()
		ix.Release()
	})
}
