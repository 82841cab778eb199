package mango

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
)

// Language is that of the design documents that hold indexes.
const Language = "query"

// Compiler makes the rows of the indexes that a design document of the language "query"
// holds, a view each: their keys are arrays of the fields' values, of the documents that
// have all the fields and match the partial filter.
func Compiler(d *design.Document) (view.Functions, error) { return functions{d}, nil }

type functions struct{ d *design.Document }

// NewMapper makes the mapper of all views. What is no index has no rows.
func (f functions) NewMapper() (index.Mapper, error) {
	var all mappers
	for _, ix := range IndexesOf(f.d) {
		mp, err := newMapper(ix)
		if err != nil {
			return nil, err
		}
		all = append(all, mp)
	}
	return all, nil
}

// NewReducer has none to give: what indexes reduce with is built in.
func (f functions) NewReducer(int) (view.ReduceFunc, error) {
	return nil, errors.New("mango: an index has no reduce function of its own")
}

type mappers []*mapper

func (m mappers) Map(ctx context.Context, doc *store.Document, emit func(view int, key, value []byte) error) error {
	for _, one := range m {
		in, err := one.in(ctx, doc)
		if err != nil {
			return err
		}
		if !in || !one.keyOf(doc) {
			continue
		}
		if err := emit(one.ix.number, one.key, null); err != nil {
			return err
		}
	}
	return nil
}

// Close has nothing to give back.
func (m mappers) Close() {}

// mapper makes the rows of documents.
type mapper struct {
	ix    *Index
	paths []path
	m     match
	key   []byte
}

func newMapper(ix *Index) (*mapper, error) {
	mp := &mapper{ix: ix}
	for _, f := range ix.Fields.Fields {
		p, err := parsePath(f)
		if err != nil {
			return nil, err
		}
		mp.paths = append(mp.paths, p)
	}
	return mp, nil
}

var null = []byte("null")

// in tells whether the index is of a document. A pattern that takes too long to say is an
// error: an index is not to lack a document in silence.
func (mp *mapper) in(ctx context.Context, doc *store.Document) (bool, error) {
	if mp.ix.Partial == nil {
		return true, nil
	}
	return mp.ix.Partial.Match(ctx, doc)
}

// keyOf makes the key of a document's row; false if it has not all the fields.
func (mp *mapper) keyOf(doc *store.Document) bool {
	key := append(mp.key[:0], '[')
	for i, p := range mp.paths {
		v, how := p.findIn(&mp.m, doc)
		if how != there {
			return false
		}
		if i > 0 {
			key = append(key, ',')
		}
		key = append(key, v...)
	}
	mp.key = append(key, ']')
	return true
}
