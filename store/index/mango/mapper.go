package mango

import (
	"context"
	"errors"

	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/index/view"
)

// Language is the language of the design documents that hold indexes.
const Language = "query"

// Compiler makes the rows of the indexes in a design document of the language "query", one view
// for each. A document has a row if it has all the fields and matches the partial filter. The
// row's key is the array of the fields' values.
func Compiler(d *design.Document) (view.Functions, error) { return functions{d}, nil }

type functions struct{ d *design.Document }

// NewMapper makes the mapper of all views. A view that is not an index has no rows.
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

// NewReducer returns none: indexes use only built-in reduce functions.
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

// Close has nothing to release.
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

// in reports whether the index covers a document. A pattern that takes too long is an error: an
// index must not silently lack a document.
func (mp *mapper) in(ctx context.Context, doc *store.Document) (bool, error) {
	if mp.ix.Partial == nil {
		return true, nil
	}
	return mp.ix.Partial.Match(ctx, doc)
}

// keyOf makes the key of a document's row; false if a field is missing.
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
