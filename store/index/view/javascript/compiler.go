// Package javascript compiles views whose functions are JavaScript.
package javascript

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/script"
)

// Compiler makes a compiler whose functions run in a host.
func Compiler(host script.Host) view.Compiler {
	return func(d *design.Document) (view.Functions, error) {
		sources, err := d.ViewFunctions()
		if err != nil {
			return nil, &view.BuildError{Word: "compilation_error", Reason: err.Error()}
		}
		return &functions{views: host.Views(d.DB, sources, d.Lib), localSeq: d.LocalSeq}, nil
	}
}

// functions are a design document's.
type functions struct {
	views    script.ViewRunner
	localSeq bool
}

func (f *functions) NewMapper() (index.Mapper, error) {
	return &mapper{views: f.views, opt: store.JSONOptions{LocalSeq: f.localSeq}}, nil
}

func (f *functions) NewReducer(number int) (view.ReduceFunc, error) {
	return &reducer{f.views, number}, nil
}

// mapper gives documents to the functions as CouchDB shows them.
type mapper struct {
	views script.ViewRunner
	opt   store.JSONOptions
	b     []byte
	ends  []int
	docs  [][]byte
}

// Map is part of index.Mapper, as is Close.
func (m *mapper) Map(ctx context.Context, doc *store.Document, emit func(view int, key, value []byte) error) error {
	return m.MapBatch(ctx, []*store.Document{doc}, func(_, view int, _, key, value []byte) error { return emit(view, key, value) })
}

func (m *mapper) Close() {}

// MapBatch is part of index.BatchMapper.
func (m *mapper) MapBatch(ctx context.Context, docs []*store.Document, emit func(doc, view int, order, key, value []byte) error) error {
	m.b, m.ends, m.docs = m.b[:0], m.ends[:0], m.docs[:0]
	for _, doc := range docs {
		m.b = doc.AppendJSON(m.b, m.opt)
		m.ends = append(m.ends, len(m.b))
	}
	from := 0
	for _, end := range m.ends {
		m.docs = append(m.docs, m.b[from:end])
		from = end
	}
	return buildError(m.views.Map(ctx, m.docs, emit))
}

// reducer runs a reduce function.
type reducer struct {
	views  script.ViewRunner
	number int
}

// Reduce is part of view.ReduceFunc.
func (r *reducer) Reduce(ctx context.Context, all []view.Reduction) ([]index.Reduced, error) {
	asked := make([]script.Reduction, len(all))
	for i, a := range all {
		asked[i] = script.Reduction{Parts: a.Parts, Runs: make([]script.Rows, len(a.Runs)), Final: a.Final}
		for j, rows := range a.Runs {
			keys := make([]script.ReduceKey, len(rows.Keys))
			for n, k := range rows.Keys {
				keys[n] = script.ReduceKey(k)
			}
			asked[i].Runs[j] = script.Rows{Keys: keys, Values: rows.Values}
		}
	}
	got, err := r.views.Reduce(ctx, r.number, asked)
	if err != nil {
		return nil, buildError(err)
	}
	out := make([]index.Reduced, len(got))
	for i := range got {
		out[i].Value = got[i].Value
		if e := got[i].Err; e != nil {
			out[i].Err = &index.ReduceError{Name: e.Word, Reason: e.Reason}
		}
	}
	return out, nil
}

// buildError says in the words of package view why an index cannot be built.
func buildError(err error) error {
	if e, ok := errors.AsType[*script.Error](err); ok {
		return &view.BuildError{Word: e.Word, Reason: e.Reason}
	}
	return err
}
