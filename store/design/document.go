package design

import (
	"slices"
	"strings"
	"sync"

	"github.com/tododb/tododb/revtree"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

// Document is a design document taken apart. It does not change. A Document from a Cache can
// also run its functions; one from Parse has no Runner.
type Document struct {
	script.Runner

	ID  string // with _design/
	Rev revtree.Rev
	DB  string // the instance of its database
	// Body is the whole document, a JSON object. The fields below are part of it.
	Body     []byte
	Language string // "javascript" unless it says otherwise

	Views []View // in the order of their names
	Lib   []byte // views.lib, JSON; nil: none

	// Options that all its views share.
	LocalSeq, IncludeDesign, Changes bool
	// Partitioned says that each row of the views belongs to the partition of its document, and
	// that a query names one: the default in a partitioned database. A Cache sets it.
	Partitioned bool
	global      bool // options.partitioned is false

	Rewrites []byte // JSON: an array of rules or the text of a function; nil: none
	// Validation is validate_doc_update, JSON: the text of a function, or, in the language
	// "query", a selector; nil: there is none.
	Validation []byte
	functions  map[string]map[string][]byte // JSON, by member (such as filters) and name

	made sync.Map // of *making, by the keys of Once
}

// View is one view as the document defines it.
type View struct {
	Name   string
	Map    []byte // JSON: the text of a function, or a Mango index definition
	Reduce string // "": none
	Raw    bool   // rows are in Erlang's order of keys
	// Options are the view's own, JSON; nil: none.
	Options []byte
}

// groups are the members that hold functions by name.
var groups = []string{"filters", "lists", "shows", "updates"}

// Parse reads the body of a design document; the caller no longer changes body. Members of the
// wrong shape are left out, and so is everything if body is not a JSON object.
func Parse(id string, body []byte) *Document {
	d := &Document{ID: id}
	if err := d.read(body); err != nil {
		d = &Document{ID: id, Body: []byte("{}"), Language: javascript}
	}
	return d
}

// Languages of design documents.
const (
	javascript = "javascript"
	query      = "query" // Mango
)

func (d *Document) read(body []byte) (err error) {
	d.Language = javascript
	if d.Body, err = jsonscan.Trim(body); err != nil {
		return err
	}
	if jsonscan.Kind(d.Body) != '{' {
		return jsonscan.ErrSyntax
	}
	var views []byte
	err = jsonscan.EachMember(d.Body, func(name, value []byte) error {
		switch member := string(name); member {
		case "language":
			if text, err := jsonscan.Text(value); err == nil {
				d.Language = text
			}
		case "options":
			return d.readOptions(value)
		case "views":
			views = value
		case "rewrites":
			d.Rewrites = value
		case "validate_doc_update":
			d.Validation = value
		default:
			if slices.Contains(groups, member) {
				return d.readFunctions(member, value)
			}
		}
		return nil
	})
	if err == nil {
		err = members(views, d.readView)
	}
	slices.SortFunc(d.Views, func(a, b View) int { return strings.Compare(a.Name, b.Name) })
	return err
}

// members calls fn for the members of a value, or not at all if it is not an object.
func members(value []byte, fn func(name string, value []byte) error) error {
	if jsonscan.Kind(value) != '{' {
		return nil
	}
	return jsonscan.EachMember(value, func(name, value []byte) error { return fn(string(name), value) })
}

func (d *Document) readFunctions(group string, value []byte) error {
	if d.functions == nil {
		d.functions = map[string]map[string][]byte{}
	}
	named := map[string][]byte{}
	d.functions[group] = named
	return members(value, func(name string, source []byte) error {
		named[name] = source
		return nil
	})
}

func (d *Document) readOptions(options []byte) error {
	return members(options, func(name string, value []byte) error {
		yes := string(value) == "true"
		switch name {
		case "local_seq":
			d.LocalSeq = yes
		case "include_design":
			d.IncludeDesign = yes
		case "changes":
			d.Changes = yes
		case "partitioned":
			d.Partitioned, d.global = yes, string(value) == "false"
		}
		return nil
	})
}

func (d *Document) readView(name string, view []byte) error {
	if name == "lib" {
		d.Lib = view
		return nil
	}
	v := View{Name: name}
	err := members(view, func(name string, value []byte) error {
		switch name {
		case "map":
			v.Map = value
		case "reduce":
			v.Reduce, _ = jsonscan.Text(value)
		case "options":
			v.Options = value
			return members(value, func(name string, value []byte) error {
				if name == "collation" {
					v.Raw = string(value) == `"raw"`
				}
				return nil
			})
		}
		return nil
	})
	if v.Map != nil {
		d.Views = append(d.Views, v)
	}
	return err
}

// View returns the number of a view, by its name. The error is ErrNoView if there is none.
func (d *Document) View(name string) (int, error) {
	i := slices.IndexFunc(d.Views, func(v View) bool { return v.Name == name })
	if i < 0 {
		return 0, ErrNoView
	}
	return i, nil
}

// ViewFunctions are the functions of the views, by number. The error is a *ShapeError if a
// function is not text.
func (d *Document) ViewFunctions() ([]script.ViewFunctions, error) {
	out := make([]script.ViewFunctions, len(d.Views))
	for i, v := range d.Views {
		text, err := jsonscan.Text(v.Map)
		if err != nil {
			return nil, &ShapeError{"The map function of the view " + v.Name + " is no text"}
		}
		out[i] = script.ViewFunctions{Name: v.Name, Map: text, Reduce: v.Reduce, Raw: v.Raw}
	}
	return out, nil
}

// Find returns the source of a function, as JSON, by its name and its group: filters, lists,
// shows or updates. If there is none, the error, a *script.Error, names what is missing.
func (d *Document) Find(group, name string) ([]byte, error) {
	named, found := d.functions[group]
	if !found {
		return nil, script.MissingError(group)
	}
	source, found := named[name]
	if !found {
		return nil, script.MissingError(name)
	}
	return source, nil
}

// Validates reports whether the document has a validation function, or a selector for it.
func (d *Document) Validates() bool { return d.Validation != nil }

// selects reports whether a selector validates.
func (d *Document) selects() bool {
	return d.Language == query && jsonscan.Kind(d.Validation) == '{'
}

// Once returns the value derived from the document under a key; make makes it the first time.
// It lives as long as the document. The key has a type of the caller's own package.
func (d *Document) Once(key any, make func() any) any {
	v, found := d.made.Load(key)
	if !found {
		v, _ = d.made.LoadOrStore(key, &making{})
	}
	m := v.(*making)
	m.once.Do(func() { m.value = make() })
	return m.value
}

// making is a value of Once.
type making struct {
	once  sync.Once
	value any
}
