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
	var old, published int64
	err = e.retry(ctx, e.opt.Patience, func() error {
		queries := []query{{sql: beginWrite}}
		if replace {
			queries = append(queries, query{sqlTake, []any{noParent, a.to}, itsRow}, query{sql: sqlDrop, args: []any{noParent, a.to}})
		}
		if _, err := e.one(ctx, e.writers, []any{&old}, append(queries, query{sqlPublish, []any{a.id, a.to}, nil}, query{sql: "commit"})...); err != nil {
			if code(err) == codeUniqueViolation && !replace {
				return final{engine.ErrExists}
			}
			return err
		}
		published = a.id
		return nil
	})
	if old != 0 && published != 0 {
		e.forgetID(old)
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
