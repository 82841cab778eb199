package index

import (
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// An index is derived from its database, so a faulty one is repaired by rebuilding it. That
// happens while it is in use: readers get ErrRenewed, and waiting callers keep waiting.

// damage reports whether an error means that an index's storage is damaged.
func damage(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, engine.ErrForeign)
}

// storageError turns the engine's errors about damaged storage into ErrCorrupt.
func storageError(err error) error {
	if err != nil && damage(err) && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// condemn orders a rebuild because of a fault in the storage with the number made.
func (ix *Index) condemn(made int, why error) {
	ix.mu.Lock()
	if ix.made != made || ix.damaged {
		ix.mu.Unlock()
		return // that storage is gone or going
	}
	ix.lose()
	ix.want = max(ix.want, 1)
	ix.tell()
	ix.mu.Unlock()
	ix.m.opt.Log.Error("rebuilding a damaged index", "db", ix.id.db, "index", ix.def.Label, "signature", ix.id.signature, "error", why)
	select {
	case ix.poke <- struct{}{}:
	default:
	}
}

// lose says that nothing of the index counts any more. The caller holds mu.
func (ix *Index) lose() {
	ix.lost = ix.lost || ix.seq > 0
	ix.damaged, ix.seq, ix.settled = true, 0, 0
}

// renew replaces the index's storage with an empty one. The caller is the builder.
func (ix *Index) renew(ctx context.Context) error {
	return ix.replace(ctx, func(name string) error { return ix.db.DropSub(ctx, name) })
}

// reopen switches to the storage with which another process replaced the index's own.
func (ix *Index) reopen(ctx context.Context) error {
	return ix.replace(ctx, func(string) error { return nil })
}

func (ix *Index) replace(ctx context.Context, drop func(name string) error) error {
	ix.mu.Lock()
	ix.lose() // until reopen is done, so that nobody takes the new storage for the old one
	old := ix.sub
	ix.tell()
	ix.mu.Unlock()
	if err := old.Close(); err != nil {
		ix.m.opt.Log.Warn("cannot close an index that is being rebuilt", "db", ix.id.db, "index", ix.def.Label, "error", err)
	}
	name := subPrefix + ix.id.signature
	if err := drop(name); err != nil {
		return fmt.Errorf("rebuild an index: %w", translate(err))
	}
	sub, err := ix.db.OpenSub(ctx, name)
	if err != nil {
		return fmt.Errorf("rebuild an index: %w", translate(err))
	}
	ix.mu.Lock()
	ix.sub, ix.damaged = sub, false
	ix.made++
	ix.mu.Unlock()
	return nil
}

// storage is the present storage, for the builder.
func (ix *Index) storage() engine.DB {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.sub
}
