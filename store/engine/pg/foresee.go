package pg

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

// sqlForesee is one statement, so it sees one snapshot without a transaction. That the database is there
// shows by a row.
const sqlForesee = "select " + proofColumns + ", x.k, x.v from td_db d left join lateral (" +
	"select k, v from td_kv where db = d.id and k = any($2::bytea[]) union all " +
	"select b.k, b.v from td_kv a join td_kv b on b.db = a.db and b.k = a.r where a.db = d.id and a.k = any($2::bytea[]) and a.r is not null" +
	") x on true where d.id = $1"

// foreseen is a Reader of what was read.
type foreseen struct {
	pace  *engine.Pace
	eng   *Engine
	proof proof
	known map[string][]byte
}

// Foresee is part of engine.Foreseer.
func (h *handle) Foresee(ctx context.Context, keys []engine.SpaceKey) (engine.Reader, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer h.leave()
	f := &foreseen{eng: h.eng, pace: engine.NewPace(ctx)}
	q := query{sql: sqlThere, args: []any{h.id}}
	if len(keys) > 0 {
		ks := make([][]byte, len(keys))
		for i, k := range keys {
			ks[i] = full(k.Space, k.Key)
		}
		q = query{sql: sqlForesee, args: []any{h.id, ks}}
	}
	there := false
	q.rows = func(rows pgx.Rows) error {
		there, f.known = false, make(map[string][]byte, 2*len(keys))
		for _, k := range keys {
			f.known[string(full(k.Space, k.Key))] = nil
		}
		for rows.Next() {
			there = true
			var k, v []byte
			dest := append(f.proof.dest(), &k, &v)
			if err := rows.Scan(dest[:len(rows.RawValues())]...); err != nil {
				return err
			}
			if k != nil {
				f.known[string(k)] = v
			}
		}
		return nil
	}
	if err := h.eng.rows(ctx, q); err != nil {
		return nil, err
	}
	if !there || f.proof.instance != string(h.dbid) {
		return nil, h.noted(engine.ErrNoDB)
	}
	return f, nil
}

// Stamp is part of engine.Stamped.
func (f *foreseen) Stamp() (uint64, error) { return f.eng.stampIn(&f.proof), nil }

func (f *foreseen) Get(s engine.Space, k []byte) ([]byte, error) {
	v, is := f.known[string(full(s, k))]
	if !is {
		return nil, engine.ErrUnforeseen
	}
	return v, f.pace.Step(len(v))
}

func (f *foreseen) GetMulti(s engine.Space, ks [][]byte, fn func(i int, v []byte) error) error {
	if slices.ContainsFunc(ks, func(k []byte) bool { _, is := f.known[string(full(s, k))]; return !is }) {
		return engine.ErrUnforeseen
	}
	for i, k := range ks {
		v, err := f.Get(s, k)
		if err == nil {
			err = fn(i, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *foreseen) Last(engine.Space) (k, v []byte, err error) { return nil, nil, engine.ErrUnforeseen }

func (f *foreseen) Scan(engine.Space, engine.Range, func(k, v []byte) (bool, error)) error {
	return engine.ErrUnforeseen
}

func (f *foreseen) Cursor(engine.Space, engine.Range) engine.Cursor { return unforeseen{} }

type unforeseen struct{}

func (unforeseen) Next() (k, v []byte, err error) { return nil, nil, engine.ErrUnforeseen }
