package view

import (
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

// JavaScript compiles the functions of design documents in JavaScript.
func JavaScript(opt script.Options) Compiler {
	return func(d *Design) (Functions, error) {
		functions := make([]script.ViewFunctions, len(d.Views))
		for i, s := range d.Views {
			source, err := jsonscan.Text(s.Map)
			if err != nil {
				return nil, &BuildError{"invalid_design_doc", "`views." + s.Name + ".map` field must have string type"}
			}
			functions[i] = script.ViewFunctions{Name: s.Name, Map: source, Reduce: s.Reduce}
		}
		views, err := script.CompileViews(functions, d.Lib, opt)
		if err != nil {
			return nil, err
		}
		return &javaScript{views: views, json: store.JSONOptions{LocalSeq: d.LocalSeq}}, nil
	}
}

type javaScript struct {
	views *script.Views
	json  store.JSONOptions
}

func (j *javaScript) NewMapper() (index.Mapper, error) {
	m, err := j.views.NewMapper()
	return &scriptMapper{m: m, json: j.json}, err
}

func (j *javaScript) NewReducer(view int) (ReduceFunc, error) {
	r, err := j.views.NewReducer(view)
	return &scriptReducer{r: r}, err
}

type scriptMapper struct {
	m    *script.Mapper
	json store.JSONOptions
	buf  []byte
}

func (s *scriptMapper) Close() {}

func (s *scriptMapper) Map(doc *store.Document, emit func(view int, key, value []byte) error) error {
	s.buf = doc.AppendJSON(s.buf[:0], s.json)
	return s.m.Map(s.buf, emit)
}

type scriptReducer struct {
	r    *script.Reducer
	keys []script.ReduceKey
}

func (s *scriptReducer) Reduce(keys []ReduceKey, values [][]byte, rereduce bool) ([]byte, error) {
	s.keys = s.keys[:0]
	for _, k := range keys {
		s.keys = append(s.keys, script.ReduceKey(k))
	}
	result, err := s.r.Reduce(s.keys, values, rereduce)
	if e, ok := errors.AsType[*script.Error](err); ok && e.Word == "reduce_overflow_error" {
		return nil, &index.ReduceError{Name: e.Word, Reason: e.Reason}
	}
	return result, err
}
