package index

import (
	"context"
	"errors"
	"fmt"

	"github.com/tododb/tododb/store/engine"
)

// An index is derived from its database, so what is wrong with one is mended by making it
// anew. That takes place while it is in use: who reads it gets ErrRenewed, who waits for it
// goes on waiting.

// damage tells of an error that says that the storage of an index is not as it was written.
func damage(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, engine.ErrForeign)
}

// storageError makes ErrCorrupt of what the engine says of a damaged storage.
func storageError(err error) error {
	if err != nil && damage(err) && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// condemn has the index made anew, as something was found in the storage that was the one
// of the time made.
func (ix *Index) condemn(made int, why error) {
	ix.mu.Lock()
	if ix.made != made || ix.damaged {
		ix.mu.Unlock()
		return // that one is gone, or is about to
	}
	ix.damaged, ix.seq = true, 0
	ix.want = max(ix.want, 1)
	ix.tell()
	ix.mu.Unlock()
	ix.m.opt.Log.Error("rebuilding a damaged index", "db", ix.id.db, "index", ix.def.Label, "signature", ix.id.signature, "error", why)
	select {
	case ix.poke <- struct{}{}:
	default:
	}
}

// renew puts an empty storage in the place of the index's own. The caller is the builder.
func (ix *Index) renew(ctx context.Context) error {
	return ix.replace(ctx, func(name string) error { return ix.db.DropSub(ctx, name) })
}

// reopen takes the storage that another process has put in the place of the index's own.
func (ix *Index) reopen(ctx context.Context) error {
	return ix.replace(ctx, func(string) error { return nil })
}

func (ix *Index) replace(ctx context.Context, drop func(name string) error) error {
	ix.mu.Lock()
	ix.damaged, ix.seq = true, 0 // until it is done: nobody takes it for what it was
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
