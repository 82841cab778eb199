package repository

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Pruning says how Prune works.
type Pruning struct {
	Wait     time.Duration // for others that use the repository
	Dry      bool          // change nothing
	Progress func(Pruned)  // nil: nobody looks
}

// Pruned is what Prune did.
type Pruned struct {
	Merged  int   // segments that were merged into others
	Objects int   // that were deleted
	Bytes   int64 // that were in them
}

// Prune merges segments of backups that are always needed together, if there is a key to read
// them, and deletes what neither a backup nor a run that can go on needs. Nobody else may be at work
// meanwhile: it waits for them, and they wait for it. If it ends in the middle, the next one goes on.
// What is missing or damaged is not merged; the error says so, after everything else was done.
func (r *Repository) Prune(ctx context.Context, p Pruning) (done Pruned, err error) {
	ctx, release, err := r.lock(ctx, deleting, "", p.Wait)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, release()) }()
	all, older, err := r.listBackups(ctx)
	if err != nil {
		return done, err
	}
	if !p.Dry {
		if err := r.keepHeads(ctx); err != nil {
			return done, err
		}
	}
	remove := func(part Part) error {
		done.Objects++
		done.Bytes += part.Size
		if p.Progress != nil {
			p.Progress(done)
		}
		if p.Dry {
			return nil
		}
		return r.storage.Remove(ctx, part.Name)
	}
	for _, l := range older {
		if err := remove(l.Part); err != nil {
			return done, err
		}
	}
	var kept []*Backup
	for _, l := range all {
		b, err := r.readOutline(ctx, l) // one that cannot be read may need anything
		if err != nil {
			return done, fmt.Errorf("backup %s may need anything that is here; forget it if it is lost (--id %s): %w", l.id, l.id, err)
		}
		kept = append(kept, b)
	}
	runs, err := r.runs(ctx, all, p.Dry)
	if err != nil {
		return done, err
	}
	var unmerged *unmergedError // what is garbage does not depend on it
	if !p.Dry && r.CanRead() && (!r.Encrypted() || len(r.recipients) > 0) {
		if done.Merged, err = r.merge(ctx, kept, runs, remove); err != nil && !errors.As(err, &unmerged) {
			return done, err
		}
	}
	needed := map[string]bool{}
	for _, b := range kept {
		for part := range b.parts() {
			needed[part.Name] = true
		}
	}
	for _, u := range runs {
		for i := range u.Chains {
			u.Chains[i].each(func(part Part) bool { needed[part.Name] = true; return true })
		}
	}
	for name := range needed {
		if strings.HasPrefix(name, segments) {
			needed[idsName(name)] = true
		}
	}
	for _, kind := range []string{segments, packs, indexes, ids} {
		var garbage []Part
		err := r.storage.List(ctx, kind, func(e Entry) error {
			if !needed[e.Name] {
				garbage = append(garbage, Part{e.Name, e.Size})
			}
			return nil
		})
		if err != nil {
			return done, err
		}
		for _, part := range garbage {
			if err := context.Cause(ctx); err != nil { // the lock may be lost
				return done, err
			}
			if err := remove(part); err != nil {
				return done, err
			}
		}
	}
	if p.Dry {
		return done, nil
	}
	if err := r.storage.Clean(ctx); err != nil || unmerged == nil {
		return done, err
	}
	return done, unmerged
}

// runs reads how far runs came that have not ended. Those whose backup is there have ended, and those
// that are damaged nobody can go on with.
func (r *Repository) runs(ctx context.Context, all []listed, dry bool) (found []*run, err error) {
	ended := map[string]bool{}
	for _, l := range all {
		ended[l.id] = true
	}
	var names []string
	err = r.storage.List(ctx, "runs/", func(e Entry) error {
		names = append(names, e.Name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		u, err := r.readRun(ctx, name)
		_, damaged := errors.AsType[*DamagedError](err)
		if err != nil && !damaged {
			return nil, err
		}
		if u == nil && !damaged {
			continue
		}
		if !damaged && !ended[u.ID] {
			found = append(found, u)
		} else if dry {
			continue
		} else if err := r.storage.Remove(ctx, name); err != nil {
			return nil, err
		}
	}
	return found, nil
}
