package pg

import (
	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

// entryOf looks for one entry in a statement for many. With the limit, the planner has no choice but to walk down the
// index for each; it makes a plan before it knows how many there are, and keeps it.
const entryOf = "lateral (select k, v from td_kv where "

const (
	sqlGet    = "select x.k, x.v from unnest($2::bytea[]) u(k), " + entryOf + "db = $1 and k = u.k limit 1) x"
	sqlGetOne = "select v from td_kv where db = $1 and k = $2"
	sqlLast   = "select k, v from td_kv where db = $1 and k >= $2 and k < $3 order by k desc limit 1"
	sqlBoth   = "select false, x.k, x.v from unnest($2::bytea[]) u(k), " + entryOf + "db = $1 and k = u.k limit 1) x union all " +
		"select true, x.k, x.v from unnest($3::bytea[], $4::bytea[]) r(lo, hi), " +
		"lateral (select k, v from td_kv where db = $1 and k >= r.lo and k < r.hi order by k desc limit 1) x"
	sqlLasts = "select x.k, x.v from unnest($2::bytea[], $3::bytea[]) r(lo, hi), " +
		"lateral (select k, v from td_kv where db = $1 and k >= r.lo and k < r.hi order by k desc limit 1) x"
)

// reader reads in a session.
type reader struct {
	session
	arena    arena
	pace     *engine.Pace
	fetched  map[string][]byte // by key of the table; nil: it is not there
	lasts    map[engine.Space]lastEntry
	foreseen *firstOf // the page that was asked for ahead
	counted  *countOf // and the count
}

// send is session.send with an engine's error: what reads need not come to the end of View or Update by the way
// that it came, and so not through retry.
func (r *reader) send(queries ...query) error { return result(r.session.send(queries...)) }

// Fetch is part of engine.Fetcher.
func (r *reader) Fetch(keys []engine.SpaceKey, last []engine.Space) error {
	if r.fetched == nil {
		r.fetched, r.lasts = map[string][]byte{}, map[engine.Space]lastEntry{}
	}
	var queries []query
	if len(keys) > 0 {
		ks := make([][]byte, len(keys))
		for i, k := range keys {
			ks[i] = full(k.Space, k.Key)
			r.fetched[string(ks[i])] = nil
		}
		queries = append(queries, r.get(ks, r.fetched))
	}
	if len(last) > 0 {
		queries = append(queries, r.getLasts(last, r.lasts))
	}
	if len(queries) == 0 {
		return nil
	}
	return r.send(queries...)
}

// getLasts is a query for the last entries of spaces.
func (r *reader) getLasts(spaces []engine.Space, found map[engine.Space]lastEntry) query {
	los, his := make([][]byte, len(spaces)), make([][]byte, len(spaces))
	for i, s := range spaces {
		los[i], his[i] = bounds(s, nil, nil)
	}
	noneOf(spaces, found)
	return query{sqlLasts, []any{r.db.id, los, his}, func(rows pgx.Rows) error {
		noneOf(spaces, found)
		for rows.Next() {
			raw := rawValues(rows)
			found[engine.Space(raw[0][0])] = lastEntry{r.arena.keep(raw[0][1:]), r.arena.keep(raw[1])}
		}
		return nil
	}}
}

// noneOf says of spaces that nothing is there.
func noneOf(spaces []engine.Space, found map[engine.Space]lastEntry) {
	for _, s := range spaces {
		found[s] = lastEntry{}
	}
}

// none says of keys that nothing is there, of those that are known.
func none(keys [][]byte, found map[string][]byte) {
	for _, k := range keys {
		if found[string(k)] != nil {
			found[string(k)] = nil
		}
	}
}

// getBoth is get and getLasts in one.
func (r *reader) getBoth(keys [][]byte, found map[string][]byte, spaces []engine.Space, last map[engine.Space]lastEntry) query {
	q := r.getLasts(spaces, last)
	return query{sqlBoth, append([]any{r.db.id, keys}, q.args[1:]...), func(rows pgx.Rows) error {
		none(keys, found)
		noneOf(spaces, last)
		for rows.Next() {
			raw := rawValues(rows)
			if b := raw[0][0]; b == 0 || b == 'f' {
				found[string(raw[1])] = r.arena.keep(raw[2])
			} else {
				last[engine.Space(raw[1][0])] = lastEntry{r.arena.keep(raw[1][1:]), r.arena.keep(raw[2])}
			}
		}
		return nil
	}}
}

func (r *reader) Get(s engine.Space, k []byte) (v []byte, err error) {
	if err := r.pace.Step(0); err != nil {
		return nil, err
	}
	at := full(s, k)
	if v, is := r.fetched[string(at)]; is {
		return v, nil
	}
	err = r.send(query{sqlGetOne, []any{r.db.id, at}, func(rows pgx.Rows) error {
		v = nil
		for rows.Next() {
			v = r.arena.keep(rawValues(rows)[0])
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
		none(keys, found)
		for rows.Next() {
			raw := rawValues(rows)
			found[string(raw[0])] = r.arena.keep(raw[1])
		}
		return nil
	}}
}

func (r *reader) Last(s engine.Space) (k, v []byte, err error) {
	if err := r.pace.Step(0); err != nil {
		return nil, nil, err
	}
	if l, is := r.lasts[s]; is {
		return l.k, l.v, nil
	}
	lo, hi := bounds(s, nil, nil)
	err = r.send(query{sqlLast, []any{r.db.id, lo, hi}, func(rows pgx.Rows) error {
		k, v = nil, nil
		for rows.Next() {
			raw := rawValues(rows)
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
