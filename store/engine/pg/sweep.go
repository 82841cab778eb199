package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// What is dropped is gone at once; its entries are removed later, some at a time, by whichever process comes
// first. What a process was making aside when it ended is dropped when nobody has said for long that it is
// still being made.
const (
	sweepEvery = time.Minute
	sweepRows  = 5000
	sweepPause = 20 * time.Millisecond
	asideLives = "15 minutes"
)

const (
	sqlGone    = "select id from td_gone order by id limit 1 for update skip locked"
	sqlSweep   = deleteOf + "(select $1::bigint, k from unnest(array(select k from td_kv where db = $1 order by k limit $2)) u(k) offset 0)" + deleteEnd
	sqlSwept   = "with size as (delete from td_size where id = $1) delete from td_gone where id = $1"
	sqlSeen    = "update td_db set seen = now() where id = any($1::bigint[]) and parent = -1"
	sqlDropOld = "with old as (delete from td_db where parent = -1 and seen < now() - interval '" + asideLives + "' returning id) insert into td_gone select id from old"
)

// runSweeping removes what was dropped until ctx ends.
func (e *Engine) runSweeping(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.sweep:
		case <-tick.C:
			if err := e.keepAsides(ctx); err != nil && ctx.Err() == nil {
				e.opt.Logger.Debug("cannot look after databases made aside", "error", err)
			}
		case <-ctx.Done():
			return
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = e.sweepSome(ctx); err != nil && ctx.Err() == nil {
				e.opt.Logger.Warn("cannot remove what was dropped", "error", err)
			}
			if more && !sleep(ctx, sweepPause) {
				return
			}
		}
	}
}

// sweepSoon has the sweeper look.
func (e *Engine) sweepSoon() {
	select {
	case e.sweep <- struct{}{}:
	default:
	}
}

// keepAsides says which databases are still being made here, and drops those of which nobody says so.
func (e *Engine) keepAsides(ctx context.Context) error {
	var ids []int64
	e.mu.Lock()
	for id, d := range e.open {
		if d.parent == asideParent {
			ids = append(ids, id)
		}
	}
	e.mu.Unlock()
	if len(ids) > 0 {
		if _, err := e.one(ctx, e.writers, nil, query{sql: sqlSeen, args: []any{ids}}); err != nil {
			return err
		}
	}
	_, err := e.one(ctx, e.writers, nil, query{sql: sqlDropOld})
	return err
}

// sweepSome removes some entries of a database that is gone, and reports whether there may be more.
func (e *Engine) sweepSome(ctx context.Context) (more bool, err error) {
	conn, err := e.writers.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after a commit
	var id int64
	switch err := tx.QueryRow(ctx, sqlGone).Scan(&id); err {
	case nil:
	case pgx.ErrNoRows:
		return false, nil
	default:
		return false, err
	}
	tag, err := tx.Exec(ctx, sqlSweep, id, sweepRows)
	if err != nil {
		return false, err
	}
	if tag.RowsAffected() < sweepRows {
		if _, err := tx.Exec(ctx, sqlSwept, id); err != nil {
			return false, err
		}
	}
	return true, tx.Commit(ctx)
}
