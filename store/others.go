package store

import (
	"context"
	"errors"
	"time"

	"github.com/tododb/tododb/store/engine"
)

// Where other processes may write to the same databases, an open database may have been dropped and even
// made again by one of them. The engine says so when it is next asked. Whoever hands out a database asks
// first: an open one as it is now, for a request (Open), or as it was within the last second, for
// the server's own work (Bare).

// provedFor is how long what a handle proved about its database is believed, for the server's own work.
const provedFor = time.Second

// current is db for a database that the engine has had since a time before the call, or during the call if
// within is 0. What it read of the meta space to find out comes along, nil if it did not have to.
func (s *Store) current(ctx context.Context, name string, within time.Duration) (*DB, ahead, error) {
	var since int64
	if s.Shared() { // else nothing has to be proved
		since = time.Now().UnixNano() - int64(within)
	}
	for {
		db, err := s.db(ctx, name)
		if err != nil || !db.shared || db.provedSince(since) {
			return db, ahead{}, err
		}
		a, err := db.foresee(ctx)
		if err == nil {
			return db, a, nil
		}
		db.Release()
		if !errors.Is(err, ErrNoDB) {
			return nil, ahead{}, err
		}
		// It has been let go of. Whether there is another one shows when that is opened.
	}
}

// provedSince tells whether the engine had the database after a time. What was proved in the same instant may have been
// proved before, and what was proved later than now, before the clock was set back.
func (db *DB) provedSince(since int64) bool {
	at := db.proved.Load()
	return at > since && at <= time.Now().UnixNano()
}

// letGo closes an open database unless it is the one of an instance, which was given its name, or one that has it
// since.
func (s *Store) letGo(ctx context.Context, name, instance string) {
	s.mu.Lock()
	db := s.open[name]
	s.mu.Unlock()
	if db == nil {
		return
	}
	<-db.opened
	if db.openErr != nil || db.identity.Instance == instance {
		return
	}
	err := db.edb.View(ctx, func(r engine.Reader) error {
		_, err := r.Get(spaceMeta, metaIdentity)
		return err
	})
	if err != nil {
		s.giveUp(db, ErrNoDB)
	}
}

// What followOthers waits between two looks, so that many commits cost one, and after one that failed.
const (
	lookPause  = 5 * time.Millisecond
	retryPause = time.Second
)

// follow starts followOthers. It does not keep an idle database open.
func (db *DB) follow() {
	db.starting.Lock()
	defer db.starting.Unlock()
	if db.WhyGone() == nil {
		db.background.Go(func() { db.whileOpen(db.followOthers) })
	}
}

// followOthers tells the notifier of commits by other processes, and finds out when one of them drops the
// database.
func (db *DB) followOthers(ctx context.Context) {
	w := db.edb.Watch()
	defer w.Close()
	for {
		var last uint64
		err := db.view(ctx, func(r engine.Reader) error {
			if _, err := db.factsIn(r); err != nil {
				return err
			}
			top, err := newest(r)
			last = top.seq
			return err
		})
		pause, again := lookPause, false
		switch {
		case ctx.Err() != nil, errors.Is(err, ErrNoDB):
			return
		case err != nil:
			db.store.opt.Logger.Warn("cannot look for changes by other processes", "db", db.name, "error", err)
			pause, again = retryPause, true
		default:
			db.news.advance(last)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if again {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-w.C():
		}
	}
}
