package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

const sqlNewest = "select d.name, d.instance, x.k from " +
	"(select id, name, instance from td_db where parent = 0 and name > $1 order by name limit $2) d " +
	"left join lateral (select k from td_kv where db = d.id and k >= $3 and k < $4 order by k desc limit 1) x on true order by d.name"

// Newest is part of engine.Newest.
func (e *Engine) Newest(ctx context.Context, s engine.Space, after string, limit int, fn func(name string, id engine.DBID, k []byte) error) error {
	if err := e.ready(ctx); err != nil {
		return err
	}
	type one struct {
		name, instance string
		k              []byte
	}
	var all []one
	lo, hi := bounds(s, nil, nil)
	err := e.rows(ctx, query{sqlNewest, []any{afterName(after), most(limit), lo, hi}, func(rows pgx.Rows) error {
		all = all[:0]
		for rows.Next() {
			var o one
			if err := rows.Scan(&o.name, &o.instance, &o.k); err != nil {
				return err
			}
			all = append(all, o)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	for _, o := range all {
		var k []byte
		if o.k != nil {
			k = o.k[1:]
		}
		if err := fn(o.name, engine.DBID(o.instance), k); err != nil {
			return err
		}
	}
	return nil
}

// most is a limit as SQL knows it.
func most(limit int) *int {
	if limit < 0 {
		return nil
	}
	return &limit
}

// Now is part of engine.Clock.
func (e *Engine) Now(ctx context.Context) (now time.Time, err error) {
	if err := e.ready(ctx); err != nil {
		return now, err
	}
	err = e.rows(ctx, query{"select clock_timestamp()", nil, func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(&now); err != nil {
				return err
			}
		}
		return nil
	}})
	return now, err
}

// rows runs a query that reads, in a round trip of its own.
func (e *Engine) rows(ctx context.Context, q query) error {
	return e.retry(ctx, e.opt.Patience/3, func() error {
		_, err := e.one(ctx, e.readers, nil, q)
		return err
	})
}
