package script

import (
	"bytes"
	"context"
	"errors"
	"sync"
)

// InProcess is a Host that runs functions in this process. It is for tests and trusted
// functions: some functions escape every limit within a process, and end it. A call checks its
// context before it begins.
func InProcess(opt Options) Host { return inProcess{opt} }

type inProcess struct{ opt Options }

func (h inProcess) Functions(_ string, body []byte) Runner { return local{NewDesign(body, h.opt)} }

func (h inProcess) Views(_ string, views []ViewFunctions, lib []byte) ViewRunner {
	return &localViews{compile: sync.OnceValues(func() (*Views, error) { return CompileViews(views, lib, h.opt) }),
		reducers: make([]sync.Pool, len(views))}
}

func (inProcess) Renew() {}

// local is a Runner on a Design.
type local struct{ d *Design }

func (l local) Validate(ctx context.Context, newDoc, oldDoc, userCtx, secObj []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.d.Validate(newDoc, oldDoc, userCtx, secObj)
}

func (l local) Filter(_ context.Context, name string, req []byte) (Matcher, error) {
	f, err := l.d.NewFilter(name, req)
	return localFilter{f}, err
}

func (l local) ViewFilter(_ context.Context, view string) (Matcher, error) {
	f, err := l.d.NewViewFilter(view)
	return localFilter{f}, err
}

type localFilter struct{ *Filter }

func (f localFilter) Match(ctx context.Context, doc []byte) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return f.Filter.Match(doc)
}

func (f localFilter) MatchAll(ctx context.Context, docs [][]byte) (pass []bool, err error) {
	for _, doc := range docs {
		ok, err := f.Match(ctx, doc)
		if err != nil {
			return pass, err
		}
		pass = append(pass, ok)
	}
	return pass, nil
}

func (l local) Update(ctx context.Context, name string, doc, req []byte) (write []byte, resp Response, err error) {
	if err = ctx.Err(); err == nil {
		write, resp, err = l.d.Update(name, doc, req)
	}
	return write, resp, err
}

func (l local) Show(ctx context.Context, name string, doc, req []byte) (resp Response, err error) {
	if err = ctx.Err(); err == nil {
		resp, err = l.d.Show(name, doc, req)
	}
	return resp, err
}

func (l local) Rewrite(ctx context.Context, req []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l.d.Rewrite(req)
}

func (l local) List(ctx context.Context, call ListCall, rows RowReader, out ListWriter) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.d.List(call, rows, out)
}

// localViews is a ViewRunner on Views. Mappers and reducers are reused: each new one needs a
// new JavaScript world.
type localViews struct {
	compile  func() (*Views, error)
	mappers  sync.Pool
	reducers []sync.Pool // by view
}

func (l *localViews) Check(context.Context) error {
	v, err := l.compile()
	if err != nil {
		return err
	}
	return v.Check()
}

func (l *localViews) Map(ctx context.Context, docs [][]byte, emit func(doc, view int, order, key, value []byte) error) error {
	v, err := l.compile()
	if err != nil {
		return err
	}
	m, ok := l.mappers.Get().(*Mapper)
	if !ok {
		if m, err = v.NewMapper(); err != nil {
			return err
		}
	}
	defer l.mappers.Put(m)
	for i, doc := range docs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.Map(doc, func(view int, key, value []byte) error { return emit(i, view, nil, key, value) }); err != nil {
			return err
		}
	}
	return nil
}

func (l *localViews) Reduce(ctx context.Context, view int, all []Reduction) ([]Reduced, error) {
	v, err := l.compile()
	if err != nil {
		return nil, err
	}
	r, ok := l.reducers[view].Get().(*Reducer)
	if !ok {
		if r, err = v.NewReducer(view); err != nil {
			return nil, err
		}
	}
	defer l.reducers[view].Put(r)
	out := make([]Reduced, len(all))
	for i := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		value, err := r.Run(&all[i])
		if out[i].Err, err = Split(err); err != nil {
			return nil, err
		}
		out[i].Value = bytes.Clone(value)
	}
	return out, nil
}

// Split separates the error of one reduction from an error that ends them all.
func Split(err error) (one *Error, all error) {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != Stopped {
		return e, nil
	}
	return nil, err
}
