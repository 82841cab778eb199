package pg

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// NoListening makes it as if there were no LISTEN.
func (e *Engine) NoListening() { e.opt.ListenURL = "postgres://127.0.0.1:1/none?connect_timeout=1" }

// Gone is how many databases that were dropped still have entries.
func (e *Engine) Gone(count *int) error {
	return e.readers.QueryRow(e.ctx, "select count(*) from td_gone").Scan(count)
}

// Entries is how many entries there are.
func (e *Engine) Entries(count *int) error {
	return e.readers.QueryRow(e.ctx, "select count(*) from td_kv").Scan(count)
}

// KeepAsides is what happens each minute.
func (e *Engine) KeepAsides() error {
	defer e.sweepSoon()
	return e.keepAsides(e.ctx)
}

// TableSize is how many bytes the table of entries takes.
func (e *Engine) TableSize(bytes *int64) error {
	return e.readers.QueryRow(e.ctx, "select pg_total_relation_size('td_kv')").Scan(bytes)
}

// Count counts what a database takes, and has not kept it yet.
func (e *Engine) Count(db engine.DB) (keep func() error, err error) {
	all, err := e.sizes(e.ctx, sqlSizedID, db.(*handle).id)
	if err != nil {
		return nil, err
	}
	c := &counting{eng: e, of: all[0]}
	err = c.some(e.ctx, -1)
	return func() error { return c.keep(e.ctx) }, err
}

// Migrations replaces those that this program knows; the result gives back what was.
func Migrations(change func([]string) []string) (restore func()) {
	was := migrations
	migrations = change(slices.Clone(was))
	return func() { migrations = was }
}

// Oldest says which server is the first that is new enough.
func Oldest(version int) (restore func()) {
	was := oldest
	oldest = version
	return func() { oldest = was }
}

// LockTimeouts are what holds on the only writing connection, in a transaction and after it.
func (e *Engine) LockTimeouts(db engine.DB) (inside, outside string, err error) {
	s := &session{ctx: e.ctx, db: db.(*handle).database, pool: e.writers, begin: beginWrite, there: sqlLock}
	if err := s.send(query{"show lock_timeout", nil, scan(&inside)}); err != nil {
		return "", "", err
	}
	s.end()
	_, err = e.one(e.ctx, e.writers, []any{&outside}, query{"show lock_timeout", nil, itsRow})
	return inside, outside, err
}

// Statements are those that read or write entries, by name.
var Statements = map[string]string{
	"get": sqlGet, "get one": sqlGetOne, "last": sqlLast, "both": sqlBoth, "lasts": sqlLasts,
	"page": sqlPage[[2]bool{false, false}], "page of keys": sqlPage[[2]bool{false, true}],
	"page backwards": sqlPage[[2]bool{true, false}], "page of keys backwards": sqlPage[[2]bool{true, true}], "count": sqlCount,
	"foresee": sqlForesee, "both of many": sqlBothMany, "lock many": sqlLockMany, "write many": sqlWriteMany,
	"write": sqlWrite, "delete": sqlDelete, "delete range": sqlDeleteRange, "sweep": sqlSweep,
	"poll": sqlPoll, "newest": sqlNewest, "sized": sqlSizedID, "measure": sqlMeasure,
	"there": sqlThere, "lock": sqlLock, "keep": sqlKeep,
}

// Settings are those of a connection.
func Settings() (sets []string) {
	for _, s := range settings {
		sets = append(sets, "set "+s[0]+" = "+s[1])
	}
	return sets
}

// AnsweredTogether asks for each key in a question of its own, all in one round trip, and returns how many bytes of values
// are kept.
func (e *Engine) AnsweredTogether(db engine.DB, keys []engine.SpaceKey) (kept int, err error) {
	var batch []*question
	for _, k := range keys {
		batch = append(batch, &question{ctx: e.ctx, db: db.(*handle).id, keys: [][]byte{full(k.Space, k.Key)}, done: make(chan struct{})})
	}
	<-e.questions.send(batch)
	for _, q := range batch {
		if q.err != nil && !errors.Is(q.err, errAlone) {
			return 0, q.err
		}
		for _, entry := range q.entries {
			kept += len(entry.v)
		}
	}
	return kept, nil
}

// PutTogether has databases write a value each under a key, in one convoy, and tells which of them were let go with the others.
// Each reads the last entry of the space before, and those that reads has for it.
func (e *Engine) PutTogether(ctx context.Context, dbs []engine.DB, s engine.Space, k []byte, values [][]byte, reads ...[]engine.SpaceKey) (together []bool, err error) {
	var members []*member
	for _, db := range dbs {
		h := db.(*handle)
		members = append(members, newMember(h, h.newTx(ctx)))
	}
	e.convoys.send(members)
	together, errs := make([]bool, len(dbs)), make([]error, len(dbs))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			var keys []engine.SpaceKey
			if i < len(reads) {
				keys = reads[i]
			}
			err := m.run(func(tx engine.Tx) error {
				return errors.Join(tx.Fetch(keys, []engine.Space{s}), tx.Put(s, k, values[i]))
			})
			if together[i] = err == nil; !errors.Is(err, errAlone) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return together, errors.Join(errs...)
}

// LimitConvoys says how many bytes a convoy reads, and how many it writes, at most.
func (e *Engine) LimitConvoys(bytes int) { e.convoyBytes = bytes }
