package view

import (
	"context"
	"sync"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
)

// pooled holds the functions of a design document, compiled when first needed. Mappers and
// reducers are reused: each new one needs a new JavaScript world.
type pooled struct {
	compile Compiler
	design  *design.Document

	once sync.Once
	f    Functions
	err  error

	mappers  sync.Pool
	reducers []sync.Pool // by view
}

func newPooled(compile Compiler, d *design.Document) *pooled {
	return &pooled{compile: compile, design: d, reducers: make([]sync.Pool, len(d.Views))}
}

func (p *pooled) functions() (Functions, error) {
	p.once.Do(func() { p.f, p.err = p.compile(p.design) })
	return p.f, p.err
}

// newMapper is index.Definition.NewMapper.
func (p *pooled) newMapper() (index.Mapper, error) {
	if m, ok := p.mappers.Get().(*pooledMapper); ok {
		return m, nil
	}
	f, err := p.functions()
	if err != nil {
		return nil, err
	}
	m, err := f.NewMapper()
	if err != nil {
		return nil, err
	}
	return &pooledMapper{m, &p.mappers}, nil
}

// MapBatch is part of index.BatchMapper.
func (m *pooledMapper) MapBatch(ctx context.Context, docs []*store.Document, emit func(doc, view int, order, key, value []byte) error) error {
	return index.MapEach(ctx, m.Mapper, docs, emit)
}

// pooledMapper returns to its pool when it is closed.
type pooledMapper struct {
	index.Mapper
	pool *sync.Pool
}

func (m *pooledMapper) Close() { m.pool.Put(m) }

// newReducer is index.View.NewReducer of a view with a custom function.
func (p *pooled) newReducer(ctx context.Context, view int) (index.Reducer, error) {
	pool := &p.reducers[view]
	if r, ok := pool.Get().(*customReducer); ok {
		r.ctx = ctx
		return r, nil
	}
	f, err := p.functions()
	if err != nil {
		return nil, err
	}
	fn, err := f.NewReducer(view)
	if err != nil {
		return nil, err
	}
	return &customReducer{ctx: ctx, fn: fn, pool: pool}, nil
}
