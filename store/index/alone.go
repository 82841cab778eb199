package index

import (
	"context"
	"errors"
	"time"

	"github.com/tododb/tododb/store/engine"
	"github.com/tododb/tododb/store/members"
)

// otherLook is how often a process looks how far another one is that builds an index.
const otherLook = 250 * time.Millisecond

// buildAlone is buildOn, but of the processes that share an index only one does what the others would
// undo: a first build, whose unfinished load looks like one that was cut short, and a repair. The
// others wait, and find what it has built; if it dies, one of them begins again. Two that bring an index
// up to date do no harm: one of them does its work in vain.
func (ix *Index) buildAlone(ctx context.Context) error {
	for ix.m.opt.Members != nil {
		alone, err := ix.needsOne(ctx)
		if err != nil || !alone {
			break // buildOn finds out what it is
		}
		lease, err := ix.m.opt.Members.Take(ctx, "index/"+ix.id.db+"/"+ix.id.instance+"/"+ix.id.signature)
		if err == nil {
			err = lease.Of(ix.buildOn(lease.Context()))
			return errors.Join(err, lease.Release(context.WithoutCancel(ctx)))
		}
		if _, held := errors.AsType[*members.Held](err); !held {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(otherLook):
		}
	}
	return ix.buildOn(ctx)
}

// needsOne tells whether the next build is for one process alone.
func (ix *Index) needsOne(ctx context.Context) (bool, error) {
	ix.mu.Lock()
	damaged := ix.damaged
	ix.mu.Unlock()
	if damaged {
		return true, nil
	}
	st, _, err := loadState(ctx, ix.storage(), len(ix.def.Views))
	if errors.Is(err, engine.ErrNoDB) {
		return true, nil
	}
	return st.seq == 0 || st.loader != "", err
}
