package pg

import (
	"context"
	"time"
)

// A claim is a row of td_meta with the id of who has it and when he renewed it last, by the clock of the server.
const (
	sqlMillis = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
	sqlClaim  = "insert into td_meta (name, value) values ('claimed', $1::text || ' ' || " + sqlMillis + ") on conflict (name) do update set value = excluded.value " +
		"where split_part(td_meta.value, ' ', 1) = $1 or split_part(td_meta.value, ' ', 2)::bigint < " + sqlMillis + " - $2::bigint returning value"
	sqlClaimed = "select value from td_meta where name = 'claimed'"
	sqlUnclaim = "delete from td_meta where name = 'claimed' and split_part(value, ' ', 1) = $1"
)

// Claim is part of engine.Claimer.
func (e *Engine) Claim(ctx context.Context, id string, gone time.Duration) (other string, err error) {
	err = e.write(ctx, func() error {
		other = ""
		for {
			var value string
			ours, err := e.one(ctx, e.writers, []any{&value}, query{sqlClaim, []any{id, gone.Milliseconds()}, itsRow})
			if ours || err != nil {
				return err
			}
			taken, err := e.one(ctx, e.writers, []any{&other}, query{sqlClaimed, nil, itsRow})
			if taken || err != nil {
				return err
			}
		}
	})
	return other, err
}

// Unclaim is part of engine.Claimer.
func (e *Engine) Unclaim(ctx context.Context, id string) error {
	return e.write(ctx, func() error {
		_, err := e.one(ctx, e.writers, nil, query{sql: sqlUnclaim, args: []any{id}})
		return err
	})
}
