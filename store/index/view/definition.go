package view

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/design"
	"github.com/tododb/tododb/store/index"
)

// ErrReduce says that a query asks to reduce a view that has no reduce function.
var ErrReduce = errors.New("view: no reduce function")

// format is the version that signatures cover: it changes when rows are made or kept
// differently, so that indexes are rebuilt.
const format = "tododb view index 2"

// signatureKey is the key for Signature in design.Document.Once.
type signatureKey struct{}

// Signature names the index of a design document. It covers everything that its rows depend on.
func Signature(d *design.Document) string {
	return d.Once(signatureKey{}, func() any { return signatureOf(d) }).(string)
}

func signatureOf(d *design.Document) string {
	h := sha256.New()
	part := func(text string) { fmt.Fprintf(h, "%d:%s,", len(text), text) }
	part(format)
	part(d.Language)
	part(string(d.Lib))
	part(fmt.Sprint(d.LocalSeq, d.IncludeDesign, d.Changes))
	if d.Partitioned {
		part("partitioned")
	}
	for _, s := range d.Views {
		part(s.Name)
		part(string(s.Map))
		part(s.Reduce)
		part(string(s.Options))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Functions are the compiled functions of a design document.
type Functions interface {
	// NewMapper makes a mapper for one goroutine. Views are numbered as in design.Document.Views.
	NewMapper() (index.Mapper, error)
	// NewReducer makes a ReduceFunc that runs the reduce function of a view.
	NewReducer(view int) (ReduceFunc, error)
}

// ReduceFunc is a reduce function for one goroutine.
type ReduceFunc interface {
	// Reduce makes one value of each of several reductions. It takes many because each call is
	// expensive.
	Reduce(ctx context.Context, all []Reduction) ([]index.Reduced, error)
}

// Reduction is what to reduce to one value: partial results, and between them runs of rows,
// which are reduced first.
type Reduction struct {
	// Parts are JSON; nil stands for the next of Runs.
	Parts [][]byte
	Runs  []Rows
	// Final makes the function rereduce even a single part.
	Final bool
}

// Rows are given to a reduce function in one call: as many values, as JSON, as keys.
type Rows struct {
	Keys   []ReduceKey
	Values [][]byte
}

// ReduceKey is the key of a row, and the document that emitted it.
type ReduceKey struct {
	Key []byte // JSON
	ID  string
}

// Compiler compiles the functions of a design document.
type Compiler func(*design.Document) (Functions, error)

// Compilers are the compilers, by language.
type Compilers map[string]Compiler

// definition makes the definition of the design document's index. Functions are compiled when
// first needed.
func (c Compilers) definition(d *design.Document) (*index.Definition, error) {
	compile, ok := c[d.Language]
	if !ok {
		return nil, &BuildError{"unknown_query_language", d.Language}
	}
	f := newPooled(compile, d)
	def := &index.Definition{
		Signature: Signature(d), Label: d.ID, IncludeDesign: d.IncludeDesign, Changes: d.Changes,
		Partitioned: d.Partitioned,
		NewMapper:   f.newMapper,
	}
	for i, s := range d.Views {
		v := index.View{}
		if s.Raw {
			v.Order = collate.Raw
		}
		switch {
		case s.Reduce == "":
		case s.Reduce[0] == '_':
			var err error
			if v.NewReducer, err = builtin(s.Reduce); err != nil {
				return nil, err
			}
			if strings.HasPrefix(s.Reduce, "_stats") { // the only one that refuses values
				v.Check = func(value []byte) error { return new(statsReducer).Add(nil, nil, value) }
			}
		default:
			v.NewReducer = func(ctx context.Context) (index.Reducer, error) { return f.newReducer(ctx, i) }
		}
		def.Views = append(def.Views, v)
	}
	return def, nil
}
