package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/members"
)

// Where processes share the databases, one of them makes the backups: it leads. What it is doing, and
// that somebody wants a backup, are records that every process may read and write.

const (
	stateID  = "_local/backups"       // the state, as the process that leads says
	wantedID = "_local/backup-wanted" // there while somebody wants a backup

	shareEvery = time.Second // how old the record may get, and how long a wish may wait
	lastWords  = 2 * time.Second
)

// Shown is State as every process shows it: of the process that makes the backups.
func (k *Keeper) Shown(ctx context.Context) (State, error) {
	if k.opt.Members == nil || k.leads.Load() {
		return k.State(), nil
	}
	s, there, err := k.recorded(ctx)
	if err == nil && !there {
		s = k.State()
	}
	return s, err
}

func (k *Keeper) recorded(ctx context.Context) (s State, there bool, err error) {
	doc, err := k.opt.Members.Records().GetLocal(ctx, stateID)
	if errors.Is(err, store.ErrMissing) {
		return s, false, nil
	}
	if err == nil {
		err = json.Unmarshal(doc.Body, &s)
	}
	return s, err == nil, err
}

// wish has the process that makes the backups make one now, whichever it is.
func (k *Keeper) wish(ctx context.Context) error {
	return k.opt.Members.Records().UpdateLocal(ctx, wantedID, func([]byte) ([]byte, error) { return []byte(`{}`), nil })
}

// lead makes backups for all processes until ctx ends.
func (k *Keeper) lead(ctx context.Context) {
	if s, there, err := k.recorded(ctx); err != nil {
		k.opt.Log.WarnContext(ctx, "cannot read what other processes have backed up", "error", err)
	} else if there {
		k.mu.Lock()
		k.state.Last = s.Last
		k.mu.Unlock()
	}
	k.leads.Store(true)
	defer k.leads.Store(false)
	sharing, stop := context.WithCancel(ctx)
	var works sync.WaitGroup
	works.Go(func() { k.share(sharing) })
	k.work(ctx)
	stop()
	works.Wait()
	if errors.Is(context.Cause(ctx), members.ErrLost) {
		return // another process says how it is now
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if _, err := k.record(ending, ""); err != nil {
		k.opt.Log.WarnContext(ctx, "cannot write down what was backed up last", "error", err)
	}
}

// share writes the state down for the others, and hears what they want, until ctx ends.
func (k *Keeper) share(ctx context.Context) {
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	last, failing := "", false
	for {
		wanted := false
		now, err := k.record(ctx, last)
		if err == nil {
			last = now
			wanted, err = k.granted(ctx)
		}
		if wanted {
			k.startHere()
		}
		if err != nil && ctx.Err() == nil && !failing {
			k.opt.Log.WarnContext(ctx, "cannot tell the other processes of the backups; trying again", "error", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// record writes the state down unless it is what was written last, and returns it.
func (k *Keeper) record(ctx context.Context, last string) (string, error) {
	body, err := json.Marshal(k.State())
	if err != nil || string(body) == last {
		return last, err
	}
	err = k.opt.Members.Records().UpdateLocal(ctx, stateID, func([]byte) ([]byte, error) { return body, nil })
	return string(body), err
}

// granted tells whether somebody wants a backup, and takes that away.
func (k *Keeper) granted(ctx context.Context) (wanted bool, err error) {
	records := k.opt.Members.Records()
	if _, err := records.GetLocal(ctx, wantedID); errors.Is(err, store.ErrMissing) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	err = records.UpdateLocals(ctx, func(l *store.Locals) error {
		l.Delete(wantedID)
		return nil
	})
	return err == nil, err
}
