package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/tododb/tododb/store/engine"
)

func (h *handle) Sub(ctx context.Context, name string) (engine.DB, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer h.leave()
	r, err := h.eng.find(ctx, h.id, name)
	if errors.Is(err, engine.ErrNoDB) {
		if err = h.makeSub(ctx, name); err == nil {
			r, err = h.eng.find(ctx, h.id, name)
		}
	}
	if err != nil {
		return nil, h.noted(err)
	}
	return h.eng.handle(r)
}

// makeSub makes the row of a sub-database, if it is not there. Meanwhile nobody drops the database.
func (h *handle) makeSub(ctx context.Context, name string) error {
	return h.eng.write(ctx, func() error {
		s := &session{ctx: ctx, db: h.database, pool: h.eng.writers, begin: beginWrite, there: sqlKeep}
		defer s.end()
		if err := s.send(); err != nil {
			return err
		}
		return s.send(query{sql: sqlMakeSub, args: []any{h.id, name, newInstance()}}, query{sql: "commit"})
	})
}

func (h *handle) DropSub(ctx context.Context, name string) error {
	if err := h.enter(ctx); err != nil {
		return err
	}
	defer h.leave()
	if err := h.eng.drop(ctx, h.id, name); err != nil && !errors.Is(err, engine.ErrNoDB) {
		return err
	}
	return nil
}

// Subs lists the sub-databases.
func (h *handle) Subs(ctx context.Context) (names []string, err error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer h.leave()
	r := &session{ctx: ctx, db: h.database, pool: h.eng.readers, begin: beginRead, there: sqlThere}
	defer r.end()
	err = r.send(query{"select name from td_db where parent = $1 order by name", []any{h.id}, func(rows pgx.Rows) error {
		names = nil
		for rows.Next() {
			names = append(names, string(rawValues(rows)[0]))
		}
		return nil
	}})
	if err != nil {
		return nil, h.noted(result(err))
	}
	return names, nil
}
