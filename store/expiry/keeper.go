package expiry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tododb/tododb/store"
)

// Options are what a Keeper needs. Store, Every and Log must be set.
type Options struct {
	Store *store.Store
	// Every is how long after a look at all databases the next one begins. It is asked again and
	// again, so it may change.
	Every func() time.Duration
	// Spare, if not nil, names databases whose deletions the server follows without keeping a
	// checkpoint.
	Spare func(db string) bool
	// Floor, if not nil, is store.ExpireOptions.Floor for a database.
	Floor func(db string) (seq uint64, any bool)
	Log   *slog.Logger
}

// Task is what is going on in a database.
type Task struct {
	DB               string
	Started, Updated time.Time
	Done, Total      uint64 // sequences
	Ended            int    // tombstones
}

// Figures count what was done since the start.
type Figures struct{ Ended, Forgotten, Failed int64 }

// Keeper ends tombstones. Its methods may be called from any goroutine.
type Keeper struct {
	opt Options

	ended, forgotten, failed atomic.Int64

	mu   sync.Mutex // guards what follows
	task *Task
}

// New makes a Keeper; Run has it work.
func New(opt Options) *Keeper { return &Keeper{opt: opt} }

// Tasks is what is going on.
func (k *Keeper) Tasks() []Task {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.task == nil {
		return nil
	}
	return []Task{*k.task}
}

// Figures says what was done.
func (k *Keeper) Figures() Figures {
	return Figures{Ended: k.ended.Load(), Forgotten: k.forgotten.Load(), Failed: k.failed.Load()}
}

// askEvery is how often Options.Every is asked.
const askEvery = 2 * time.Second

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	last := time.Now()
	for {
		wait := max(time.Until(last.Add(k.opt.Every())), 0)
		timer := time.NewTimer(min(wait, askEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if wait > askEvery {
			continue
		}
		if err := k.look(ctx); err != nil && ctx.Err() == nil {
			k.opt.Log.Error("cannot look for tombstones that end", "error", err)
		}
		last = time.Now()
	}
}

// look goes through all databases once.
func (k *Keeper) look(ctx context.Context) error {
	for after := ""; ; {
		names, err := k.opt.Store.Names(ctx, after, 1000)
		if err != nil || len(names) == 0 {
			return err
		}
		after = names[len(names)-1]
		for _, name := range names {
			if k.opt.Spare != nil && k.opt.Spare(name) {
				continue
			}
			if err := k.expire(ctx, name); ctx.Err() != nil {
				return nil
			} else if err != nil && !errors.Is(err, store.ErrNoDB) { // not just deleted
				k.failed.Add(1)
				k.opt.Log.Error("tombstones that should end stay for now", "db", name, "error", err)
			}
		}
	}
}

func (k *Keeper) expire(ctx context.Context, name string) error {
	db, err := k.opt.Store.Bare(ctx, name, store.ForUpkeep)
	if err != nil {
		return err
	}
	defer db.Release()
	opt := store.ExpireOptions{Progress: func(done, total uint64, ended int) { k.progress(name, done, total, ended) }}
	if k.opt.Floor != nil {
		opt.Floor = func() (uint64, bool) { return k.opt.Floor(name) }
	}
	done, err := db.Expire(ctx, opt)
	k.mu.Lock()
	k.task = nil
	k.mu.Unlock()
	k.ended.Add(int64(done.Ended))
	k.forgotten.Add(int64(done.Forgotten))
	if done.Ended > 0 {
		k.opt.Log.Info("tombstones have ended", "db", name, "tombstones", done.Ended, "checkpoints", done.Forgotten)
	}
	return err
}

func (k *Keeper) progress(name string, done, total uint64, ended int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.task == nil {
		k.task = &Task{DB: name, Started: now}
	}
	k.task.Updated, k.task.Done, k.task.Total, k.task.Ended = now, done, total, ended
}
