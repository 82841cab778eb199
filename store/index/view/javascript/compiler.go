// Package javascript compiles views whose functions are JavaScript.
package javascript

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

// Compiler makes a compiler whose functions obey limits.
func Compiler(opt script.Options) view.Compiler {
	return func(d *view.Design) (view.Functions, error) {
		sources := make([]script.ViewFunctions, len(d.Views))
		for i, v := range d.Views {
			text, err := jsonscan.Text(v.Map)
			if err != nil {
				return nil, &view.BuildError{Word: "compilation_error", Reason: "The map function of the view " + v.Name + " is no text"}
			}
			sources[i] = script.ViewFunctions{Name: v.Name, Map: text, Reduce: v.Reduce}
		}
		compiled, err := script.CompileViews(sources, d.Lib, opt)
		if err != nil {
			return nil, buildError(err)
		}
		return &functions{views: compiled, localSeq: d.LocalSeq}, nil
	}
}

// functions are a design document's, compiled.
type functions struct {
	views    *script.Views
	localSeq bool
}

func (f *functions) NewMapper() (index.Mapper, error) {
	m, err := f.views.NewMapper()
	if err != nil {
		return nil, buildError(err)
	}
	return &mapper{m: m, opt: store.JSONOptions{LocalSeq: f.localSeq}}, nil
}

func (f *functions) NewReducer(number int) (view.ReduceFunc, error) {
	r, err := f.views.NewReducer(number)
	if err != nil {
		return nil, buildError(err)
	}
	return &reducer{r: r}, nil
}

// mapper gives documents to the functions as CouchDB shows them.
type mapper struct {
	m   *script.Mapper
	opt store.JSONOptions
	doc []byte
}

func (m *mapper) Map(_ context.Context, doc *store.Document, emit func(view int, key, value []byte) error) error {
	m.doc = doc.AppendJSON(m.doc[:0], m.opt)
	return buildError(m.m.Map(m.doc, emit))
}

func (m *mapper) Close() {}

// reducer runs a reduce function.
type reducer struct {
	r    *script.Reducer
	keys []script.ReduceKey
}

func (r *reducer) Reduce(keys []view.ReduceKey, values [][]byte, rereduce bool) ([]byte, error) {
	r.keys = r.keys[:0]
	for _, k := range keys {
		r.keys = append(r.keys, script.ReduceKey(k))
	}
	out, err := r.r.Reduce(r.keys, values, rereduce)
	if e, ok := errors.AsType[*script.Error](err); ok && e.Kind != script.Stopped {
		return nil, &index.ReduceError{Name: e.Word, Reason: e.Reason}
	}
	return out, buildError(err)
}

// buildError says in the words of package view why an index cannot be built.
func buildError(err error) error {
	if e, ok := errors.AsType[*script.Error](err); ok {
		return &view.BuildError{Word: e.Word, Reason: e.Reason}
	}
	return err
}
