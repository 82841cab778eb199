package pg

import (
	"context"
	"errors"
	"sync"

	"github.com/tododb/tododb/store/engine"
)

// aside is a database whose row has no name that anybody looks for.
type aside struct {
	*handle
	to   string
	once sync.Once
}

func (e *Engine) Aside(ctx context.Context, name string) (engine.Aside, error) {
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	r, err := e.make(ctx, asideParent, newInstance(), nil)
	if err != nil {
		return nil, err
	}
	h, err := e.handle(r)
	if err != nil {
		return nil, err
	}
	return &aside{handle: h, to: name}, nil
}

func (a *aside) Publish(ctx context.Context) error { return a.publish(ctx, false) }
func (a *aside) Replace(ctx context.Context) error { return a.publish(ctx, true) }

func (a *aside) publish(ctx context.Context, replace bool) (err error) {
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := a.enter(ctx); err != nil {
		return err
	}
	defer a.leave()
	e := a.eng
	var old, stamp int64
	note := ""
	err = e.write(ctx, func() error {
		s := &session{ctx: ctx, db: a.database, pool: e.writers, begin: beginWrite, there: sqlUnnamed}
		defer s.end()
		queries := []query{{sql: sqlNoHold}, {sqlHeld, nil, scan(&note)}}
		if replace {
			queries = append(queries, query{sqlTakeNamed, []any{noParent, a.to}, scan(&old, &stamp)})
		}
		if err := s.send(queries...); err != nil {
			if !errors.Is(err, engine.ErrNoDB) {
				return err
			}
			// Perhaps an earlier try has given it its name, and the answer was lost.
			if there, findErr := e.find(ctx, noParent, a.to); findErr == nil && there.id == a.id {
				return nil
			}
			return err
		}
		if note != "" {
			return final{engine.ErrHeld}
		}
		queries = queries[:0]
		if old != 0 {
			queries = append(queries, query{sql: sqlDrop, args: []any{old, noParent}})
		}
		err := s.send(append(queries, query{sql: sqlPublish, args: []any{a.id, a.to}}, query{sql: "commit"})...)
		if code(err) == codeUniqueViolation && !replace {
			return final{engine.ErrExists}
		}
		return err
	})
	if err == nil && old != 0 {
		e.forgetID(old)
		e.sweepSoon()
	}
	return err
}

// Close deletes the database, unless it has its name.
func (a *aside) Close() (err error) {
	a.once.Do(func() {
		if err = a.handle.Close(); err != nil || a.eng.isClosed() {
			return
		}
		err = a.eng.drop(a.eng.ctx, asideParent, a.name)
		if errors.Is(err, engine.ErrNoDB) {
			err = nil
		}
	})
	return err
}
