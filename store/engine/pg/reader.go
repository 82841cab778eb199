package pg

import (
	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

const (
	sqlGet    = "select k, v from td_kv where db = $1 and k = any($2::bytea[])"
	sqlGetOne = "select v from td_kv where db = $1 and k = $2"
	sqlLast   = "select k, v from td_kv where db = $1 and k >= $2 and k < $3 order by k desc limit 1"
	sqlLasts  = "select x.k, x.v from unnest($2::bytea[], $3::bytea[]) r(lo, hi), " +
		"lateral (select k, v from td_kv where db = $1 and k >= r.lo and k < r.hi order by k desc limit 1) x"
)

// reader reads in a session.
type reader struct {
	session
	arena arena
	pace  *engine.Pace
}

func (r *reader) Get(s engine.Space, k []byte) (v []byte, err error) {
	if err := r.pace.Step(0); err != nil {
		return nil, err
	}
	err = r.send(query{sqlGetOne, []any{r.db.id, full(s, k)}, func(rows pgx.Rows) error {
		for rows.Next() {
			v = r.arena.keep(rows.RawValues()[0])
		}
		return nil
	}})
	return v, err
}

// getBatch is how many keys a statement of GetMulti has at most.
const getBatch = 1024

func (r *reader) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	for from := 0; from < len(ks); from += getBatch {
		part := ks[from:min(from+getBatch, len(ks))]
		keys := make([][]byte, len(part))
		for i, k := range part {
			keys[i] = full(s, k)
		}
		found := make(map[string][]byte, len(part))
		if err := r.send(r.get(keys, found)); err != nil {
			return err
		}
		for i, k := range keys {
			v := found[string(k)]
			if err := r.pace.Step(len(v)); err != nil {
				return err
			}
			if err := fn(from+i, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// get is a query for the values of keys of the table.
func (r *reader) get(keys [][]byte, found map[string][]byte) query {
	return query{sqlGet, []any{r.db.id, keys}, func(rows pgx.Rows) error {
		for rows.Next() {
			raw := rows.RawValues()
			found[string(raw[0])] = r.arena.keep(raw[1])
		}
		return nil
	}}
}

func (r *reader) Last(s engine.Space) (k, v []byte, err error) {
	if err := r.pace.Step(0); err != nil {
		return nil, nil, err
	}
	lo, hi := bounds(s, nil, nil)
	err = r.send(query{sqlLast, []any{r.db.id, lo, hi}, func(rows pgx.Rows) error {
		for rows.Next() {
			raw := rows.RawValues()
			k, v = r.arena.keep(raw[0][1:]), r.arena.keep(raw[1])
		}
		return nil
	}})
	return k, v, err
}

func (r *reader) Scan(s engine.Space, rg engine.Range, fn func(k, v []byte) (bool, error)) error {
	return engine.Each(r.Cursor(s, rg), fn)
}

func (r *reader) Cursor(s engine.Space, rg engine.Range) engine.Cursor {
	return newCursor(r, r.send, s, rg)
}
