package view

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tododb/tododb/store/collate"
	"github.com/tododb/tododb/store/index"
	"github.com/tododb/tododb/store/jsonscan"
)

var (
	// ErrNoView says that a design document has no view of a name.
	ErrNoView = errors.New("view: missing_named_view")
	// ErrReduce says that a view without a reduce function is to be reduced.
	ErrReduce = errors.New("view: it has no reduce function")
)

// Design is what indexes depend on in a design document.
type Design struct {
	ID       string // with _design/
	DB       string // instance of the database whose it is; no part of the signature
	Language string // "javascript" unless it says otherwise
	Lib      []byte // views.lib, JSON; nil: none
	Views    []Source

	LocalSeq, IncludeDesign, Changes bool
}

// Source is one view as it is written.
type Source struct {
	Name   string
	Map    []byte // JSON: the text of a function, or what a Mango index holds
	Reduce string // "": none
	Raw    bool   // rows in Erlang's order of keys
	// Options are the view's own, JSON; nil: none.
	Options []byte
}

// ParseDesign reads a design document's body. What has the wrong shape is left out.
func ParseDesign(id string, body []byte) (*Design, error) {
	d := &Design{ID: id, Language: "javascript"}
	var views []byte
	err := members(body, func(name string, value []byte) error {
		switch name {
		case "language":
			if text, err := jsonscan.Text(value); err == nil {
				d.Language = text
			}
		case "options":
			return d.readOptions(value)
		case "views":
			views = value
		}
		return nil
	})
	if err == nil {
		err = members(views, d.readView)
	}
	if err != nil {
		return nil, fmt.Errorf("design document %q: %w", id, err)
	}
	slices.SortFunc(d.Views, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return d, nil
}

// members calls fn for the members of a value, none if it is no object.
func members(value []byte, fn func(name string, value []byte) error) error {
	if jsonscan.Kind(value) != '{' {
		return nil
	}
	return jsonscan.EachMember(value, func(name, value []byte) error { return fn(string(name), value) })
}

func (d *Design) readOptions(options []byte) error {
	return members(options, func(name string, value []byte) error {
		yes := string(value) == "true"
		switch name {
		case "local_seq":
			d.LocalSeq = yes
		case "include_design":
			d.IncludeDesign = yes
		case "changes":
			d.Changes = yes
		}
		return nil
	})
}

func (d *Design) readView(name string, view []byte) error {
	if name == "lib" {
		d.Lib = view
		return nil
	}
	s := Source{Name: name}
	err := members(view, func(name string, value []byte) error {
		switch name {
		case "map":
			s.Map = value
		case "reduce":
			s.Reduce, _ = jsonscan.Text(value)
		case "options":
			s.Options = value
			return members(value, func(name string, value []byte) error {
				if name == "collation" {
					s.Raw = string(value) == `"raw"`
				}
				return nil
			})
		}
		return nil
	})
	if s.Map != nil {
		d.Views = append(d.Views, s)
	}
	return err
}

// Find returns the number of a view: ErrNoView.
func (d *Design) Find(name string) (int, error) {
	i := slices.IndexFunc(d.Views, func(s Source) bool { return s.Name == name })
	if i < 0 {
		return 0, ErrNoView
	}
	return i, nil
}

// format is the version of what signatures cover: a change of how rows are made or kept
// changes it, so that indexes are built anew.
const format = "tododb view index 2"

// Signature names the index of the design document: all that its rows depend on.
func (d *Design) Signature() string {
	h := sha256.New()
	part := func(text string) { fmt.Fprintf(h, "%d:%s,", len(text), text) }
	part(format)
	part(d.Language)
	part(string(d.Lib))
	part(fmt.Sprint(d.LocalSeq, d.IncludeDesign, d.Changes))
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
	// NewMapper makes a mapper for one goroutine. Views are numbered as in Design.Views.
	NewMapper() (index.Mapper, error)
	// NewReducer makes one that runs the reduce function of a view.
	NewReducer(view int) (ReduceFunc, error)
}

// ReduceFunc is a reduce function for one goroutine.
type ReduceFunc interface {
	// Reduce makes one value of each of several reductions: to ask has a price of its own.
	Reduce(ctx context.Context, all []Reduction) ([]index.Reduced, error)
}

// Reduction is what is to be reduced to one value: what rows were reduced to, and runs of
// rows between that, which are reduced first.
type Reduction struct {
	// Parts are JSON; nil stands for the next of Runs.
	Parts [][]byte
	Runs  []Rows
	// Final has the function rereduce even what is one part.
	Final bool
}

// Rows are given to a reduce function at once: as many values, JSON, as keys.
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
type Compiler func(*Design) (Functions, error)

// Compilers are the compilers by language.
type Compilers map[string]Compiler

// Definition makes the definition of the design document's index. Functions are compiled
// when they are first needed.
func (c Compilers) Definition(d *Design) (*index.Definition, error) {
	compile, ok := c[d.Language]
	if !ok {
		return nil, &BuildError{"unknown_query_language", d.Language}
	}
	f := newPooled(compile, d)
	def := &index.Definition{
		Signature: d.Signature(), Label: d.ID, IncludeDesign: d.IncludeDesign, Changes: d.Changes,
		NewMapper: f.newMapper,
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
