package script

import (
	"github.com/dop251/goja"

	"github.com/tododb/tododb/store/jsonscan"
)

// ViewFunctions are the functions of one view.
type ViewFunctions struct {
	Name   string
	Map    string
	Reduce string // empty: none. A built-in one, whose name begins with _, is not run here
	Raw    bool   // rows are in Erlang's order of keys
}

// Views are the compiled views of a design document. Any number of goroutines may use them at
// once; a Mapper or a Reducer belongs to one goroutine.
type Views struct {
	opt     Options
	modules *modules
	maps    []compiled
	reduces []compiled // program nil: none, or built in
}

type compiled struct {
	name    string // of the view
	program *goja.Program
	source  string
}

// CompileViews compiles the functions of views. lib is the design document's views.lib, a JSON
// object, or nil. The error is an *Error of kind Compilation, with a reason that begins like
// CouchDB's.
func CompileViews(views []ViewFunctions, lib []byte, opt Options) (*Views, error) {
	v := &Views{opt: opt, modules: newModules(libraryOnly(lib))}
	for _, f := range views {
		p, err := compileFunction("map", f.Map)
		if err != nil {
			return nil, ofView("map", f.Name, err)
		}
		v.maps = append(v.maps, compiled{f.Name, p, f.Map})
		c := compiled{name: f.Name, source: f.Reduce}
		if f.Reduce != "" && f.Reduce[0] != '_' {
			if c.program, err = compileFunction("reduce", f.Reduce); err != nil {
				return nil, ofView("reduce", f.Name, err)
			}
		}
		v.reduces = append(v.reduces, c)
	}
	return v, nil
}

func ofView(function, view string, err error) error {
	e := *err.(*Error)
	if e.Kind != Compilation {
		return err
	}
	e.Reason = "Compilation of the " + function + " function in the '" + view + "' view failed: " + e.Reason
	return &e
}

// libraryOnly is a design document with nothing but its library.
func libraryOnly(lib []byte) []byte {
	trimmed, err := jsonscan.Trim(lib)
	if err != nil || jsonscan.Kind(trimmed) != '{' {
		return []byte("{}")
	}
	return append(append([]byte(`{"views":{"lib":`), trimmed...), "}}"...)
}

// Check runs the sources, to find those that compile but do not give a function.
func (v *Views) Check() error {
	if _, err := v.NewMapper(); err != nil {
		return err
	}
	for i := range v.reduces {
		if v.reduces[i].program == nil {
			continue
		}
		if _, err := v.NewReducer(i); err != nil {
			return err
		}
	}
	return nil
}

// Mapper runs the map functions of a design document over documents.
type Mapper struct {
	views     *Views
	rt        *runtime
	functions []goja.Callable

	rows []mapped
	buf  []byte
}

// mapped is an emitted row: its key and value are parts of Mapper.buf.
type mapped struct{ view, from, split, to int }

// NewMapper makes a Mapper with a runtime of its own.
func (v *Views) NewMapper() (*Mapper, error) {
	m := &Mapper{views: v}
	return m, m.prepare()
}

func (m *Mapper) prepare() error {
	rt, err := newRuntime(m.views.opt, m.views.modules)
	if err != nil {
		return err
	}
	m.functions = m.functions[:0]
	for _, c := range m.views.maps {
		fn, err := rt.function(c.program, c.source)
		if err != nil {
			return ofView("map", c.name, err)
		}
		m.functions = append(m.functions, fn)
	}
	m.rt = rt
	return nil
}

// Map runs the map functions on a document, JSON with _id and _rev, and passes on what they
// emit. view is the index among the compiled views; key and value are JSON, valid until emit
// returns. A function that throws emits nothing for the document. Map fails, and emits nothing,
// if a function throws a fatal error or has to be stopped.
func (m *Mapper) Map(doc []byte, emit func(view int, key, value []byte) error) error {
	if m.rt == nil || m.rt.broken {
		if err := m.prepare(); err != nil {
			return err
		}
	}
	m.rows, m.buf = m.rows[:0], m.buf[:0]
	doc, err := jsonscan.Trim(doc)
	if err != nil {
		return err
	}
	sc := &scope{rt: m.rt}
	defer func() { sc.over = true }()
	value := sc.value(doc)
	err = m.rt.do(func() error {
		for view, fn := range m.functions {
			if err := m.mapView(view, fn, value, doc); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range m.rows {
		if err := emit(r.view, m.buf[r.from:r.split], m.buf[r.split:r.to]); err != nil {
			return err
		}
	}
	return nil
}

// mapView calls one function. If it throws, what it emitted does not count.
func (m *Mapper) mapView(view int, fn goja.Callable, value goja.Value, doc []byte) error {
	rows, size := len(m.rows), len(m.buf)
	m.rt.emit = func(key, value goja.Value) { m.take(view, key, value) }
	_, err := fn(goja.Undefined(), value)
	m.rt.emit = nil
	if err == nil {
		return nil
	}
	m.rows, m.buf = m.rows[:rows], m.buf[:size]
	e := m.rt.errorOf(err)
	if e.Fatal {
		return e
	}
	if m.rt.opt.Log != nil {
		id, _ := jsonscan.Text(memberOf(doc, "_id"))
		m.rt.opt.Log.Info("map function raised an exception", "error", e.Error(), "doc", id)
	}
	return nil
}

// MaxRows is the most rows of one document.
const MaxRows = 1 << 20

// take keeps a row. A value that cannot be written makes the function throw.
func (m *Mapper) take(view int, key, value goja.Value) {
	if len(m.buf) > m.rt.opt.output() || len(m.rows) >= MaxRows || m.rt.exceeded != nil {
		m.rt.exceed("the function emits too much")
		return
	}
	r := mapped{view: view, from: len(m.buf)}
	m.write(key)
	r.split = len(m.buf)
	m.write(value)
	r.to = len(m.buf)
	if len(m.buf) > m.rt.opt.output() { // the length of a text is unchecked until here
		m.rt.exceed("the function emits too much")
		return
	}
	m.rows = append(m.rows, r)
}

func (m *Mapper) write(v goja.Value) {
	w := jsonWriter{rt: m.rt, b: m.buf, limit: m.rt.opt.output(), output: true}
	if !w.primitive(v) && !w.value("", v) {
		w.b = append(w.b, "null"...)
	}
	m.buf = w.b
}
