package pg

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

// A hold is a row of td_meta, which keeps databases from being made, and a negative stamp in the row of
// each database. Writers read the stamp with the lock, so none of them writes after it has become negative.
const (
	sqlHeld    = "select value from td_meta where name = 'held'"
	sqlNotHeld = "not exists (select from td_meta where name = 'held')"
	// Who makes a database looks for the hold after it has this lock. Hold waits for it.
	sqlNoHold   = "select name from td_meta where name = 'installation' for share"
	sqlHoldNone = "select name from td_meta where name = 'installation' for update"
	// $2 is the note that is expected. A second try finds its own.
	sqlNote = `insert into td_meta (name, value) select 'held', $1 where $2::text is null or exists (select from td_meta where name = 'held')
		on conflict (name) do update set value = excluded.value where td_meta.value in ($1, $2) returning name`
	// It waits for those who write, and for those who only keep the row from going away (sqlKeep).
	sqlHoldSome = "select id from td_db where id > $1 and stamp >= 0 order by id limit 500 for update"
	sqlHold     = "update td_db set stamp = -stamp - 1 where id = any($1::bigint[]) and stamp >= 0"
	sqlFreeSome = "select id from td_db where id > $1 and stamp < 0 order by id limit 500 for update"
	sqlFree     = "update td_db set stamp = -stamp where id = any($1::bigint[]) and stamp < 0" // one that it has never had
	sqlNoNote   = "delete from td_meta where name = 'held'"
)

// Hold is part of engine.Holder.
func (e *Engine) Hold(ctx context.Context, was, note []byte) error {
	var expected *string
	if was != nil {
		text := string(was)
		expected = &text
	}
	err := e.write(ctx, func() error {
		var name string
		held, err := e.one(ctx, e.writers, []any{&name}, query{sql: beginWrite}, query{sql: sqlHoldNone},
			query{sqlNote, []any{string(note), expected}, itsRow}, query{sql: "commit"})
		if err == nil && !held {
			err = final{engine.ErrOtherHold}
		}
		return err
	})
	for more := true; more && err == nil; { // a sub-database may have been made behind the first pass
		more, err = e.turnAll(ctx, sqlHoldSome, sqlHold)
	}
	return err
}

// turnAll turns the stamps of all databases, some in each transaction, and reports whether there were any.
func (e *Engine) turnAll(ctx context.Context, which, turn string) (turned bool, err error) {
	for last, more := int64(0), true; more; {
		var ids []int64
		err := e.write(ctx, func() error {
			s := &session{ctx: ctx, db: &database{eng: e}, pool: e.writers, begin: beginWrite, begun: true}
			defer s.end()
			ids = nil
			err := s.send(query{sql: beginWrite}, query{which, []any{last}, func(rows pgx.Rows) error {
				for rows.Next() {
					var id int64
					if err := rows.Scan(&id); err != nil {
						return err
					}
					ids = append(ids, id)
				}
				return nil
			}})
			if err != nil {
				return err
			}
			return s.send(query{sql: turn, args: []any{ids}}, query{sql: "commit"})
		})
		if err != nil {
			return turned, err
		}
		if more = len(ids) > 0; more {
			turned, last = true, ids[len(ids)-1]
		}
	}
	return turned, nil
}

// Held is part of engine.Holder.
func (e *Engine) Held(ctx context.Context) (note []byte, err error) {
	err = e.retry(ctx, e.opt.Patience/3, func() error {
		var value string
		found, err := e.one(ctx, e.readers, []any{&value}, query{sqlHeld, nil, itsRow})
		if note = nil; found {
			note = []byte(value)
		}
		return err
	})
	return note, err
}

// Unhold is part of engine.Holder.
func (e *Engine) Unhold(ctx context.Context) error {
	if _, err := e.turnAll(ctx, sqlFreeSome, sqlFree); err != nil {
		return err
	}
	return e.write(ctx, func() error {
		_, err := e.one(ctx, e.writers, nil, query{sql: sqlNoNote})
		return err
	})
}
