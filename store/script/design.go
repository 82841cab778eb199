package script

import (
	"errors"
	"strings"
	"sync"

	"github.com/dop251/goja"

	"github.com/tododb/tododb/store/jsonscan"
)

// Design is a design document whose functions can be called in this process. Any number of
// goroutines may use it at once; it keeps the runtimes of their calls for later calls.
type Design struct {
	body    []byte
	opt     Options
	modules *modules
	workers sync.Pool // of *worker

	mu       sync.Mutex
	programs map[string]program // by path to the source
}

type program struct {
	compiled
	err error
}

// NewDesign takes the body of a design document; the caller no longer changes it. Without a
// JSON object there are no functions. Nothing is compiled before it is called.
func NewDesign(body []byte, opt Options) *Design {
	trimmed, err := jsonscan.Trim(body)
	if err != nil || jsonscan.Kind(trimmed) != '{' {
		trimmed = []byte("{}")
	}
	return &Design{body: trimmed, opt: opt, modules: newModules(trimmed), programs: map[string]program{}}
}

// find checks that the document has something at a path; if not, the error is MissingError.
func (d *Design) find(path ...string) error {
	value := d.body
	for _, name := range path {
		if value = memberOf(value, name); value == nil {
			return MissingError(name)
		}
	}
	return nil
}

// program compiles the function at a path, once.
func (d *Design) program(path []string) (compiled, error) {
	if err := d.find(path...); err != nil {
		return compiled{}, err // not kept: anybody may ask for any name
	}
	key := strings.Join(path, "\x00")
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.programs[key]
	if !ok {
		p.compiled, p.err = d.compile(path)
		d.programs[key] = p
	}
	return p.compiled, p.err
}

func (d *Design) compile(path []string) (compiled, error) {
	value := d.body
	for _, name := range path {
		value = memberOf(value, name)
	}
	source, err := jsonscan.Text(value)
	if err != nil {
		return compiled{}, compilationError("Expression does not eval to a function. (%s)", value)
	}
	p, err := compileFunction(strings.Join(path, "."), source)
	return compiled{program: p, source: source}, err
}

// worker is a runtime with the functions called in it so far.
type worker struct {
	*runtime
	design    *Design
	functions map[string]goja.Callable
	self      goja.Value // the design document, which functions get as this
}

func (d *Design) worker() (*worker, error) {
	if w, ok := d.workers.Get().(*worker); ok {
		return w, nil
	}
	rt, err := newRuntime(d.opt, d.modules)
	if err != nil {
		return nil, err
	}
	w := &worker{runtime: rt, design: d, functions: map[string]goja.Callable{}}
	w.self = (&scope{rt: rt}).value(d.body)
	return w, nil
}

// done keeps a worker for the next call, unless a call was stopped in it.
func (w *worker) done() {
	w.emit, w.answer = nil, nil
	if !w.broken {
		w.design.workers.Put(w)
	}
}

// find returns the function at a path.
func (w *worker) find(path ...string) (goja.Callable, error) {
	key := strings.Join(path, "\x00")
	if f, ok := w.functions[key]; ok {
		return f, nil
	}
	p, err := w.design.program(path)
	if err != nil {
		return nil, err
	}
	f, err := w.function(p.program, p.source)
	if err == nil {
		w.functions[key] = f
	}
	return f, err
}

// Validate calls validate_doc_update. The arguments are JSON; old is nil if there is no old
// document.
func (d *Design) Validate(newDoc, oldDoc, userCtx, secObj []byte) error {
	w, err := d.worker()
	if err != nil {
		return err
	}
	defer w.done()
	f, err := w.find("validate_doc_update")
	if err != nil {
		return err
	}
	return w.do(func() error {
		_, err := f(w.self, w.checked(newDoc), w.checked(oldDoc), w.checked(userCtx), w.checked(secObj))
		return err
	})
}

// Filter judges documents for a feed. Only one goroutine uses it.
type Filter struct {
	design *Design
	path   []string
	req    []byte
	view   bool

	w        *worker // between the first Match and Release
	f        goja.Callable
	reqValue goja.Value
	emitted  bool
}

// NewFilter finds a filter function; req is the request as JSON. The error is an *Error.
func (d *Design) NewFilter(name string, req []byte) (*Filter, error) {
	return d.newFilter(&Filter{path: []string{"filters", name}, req: req})
}

// NewViewFilter makes a filter of a map function: a document passes if the function emits for
// it.
func (d *Design) NewViewFilter(view string) (*Filter, error) {
	if err := d.find("views", view); err != nil {
		return nil, err
	}
	return d.newFilter(&Filter{path: []string{"views", view, "map"}, view: true})
}

func (d *Design) newFilter(f *Filter) (*Filter, error) {
	f.design = d
	if err := d.find(f.path...); err != nil {
		return nil, err
	}
	return f, f.acquire()
}

func (f *Filter) acquire() (err error) {
	if f.w != nil {
		return nil
	}
	if f.w, err = f.design.worker(); err != nil {
		return err
	}
	if f.f, err = f.w.find(f.path...); err != nil {
		f.Release()
		return err
	}
	f.reqValue = f.w.checked(f.req)
	f.w.emit = func(goja.Value, goja.Value) { f.emitted = true }
	return nil
}

// Release lets others have the runtime; the next Match takes one again.
func (f *Filter) Release() {
	if f.w != nil {
		f.w.done()
		f.w, f.f, f.reqValue = nil, nil, nil
	}
}

// Match reports whether a document, as JSON, passes: whether the function's result is truthy.
// If a map function throws, the document does not pass; if a filter throws, that is an error.
func (f *Filter) Match(doc []byte) (pass bool, err error) {
	doc, err = jsonscan.Trim(doc)
	if err != nil {
		return false, err
	}
	if err := f.acquire(); err != nil {
		return false, err
	}
	sc := &scope{rt: f.w.runtime}
	defer func() { sc.over = true }()
	value := sc.value(doc)
	f.emitted = false
	err = f.w.do(func() error {
		var v goja.Value
		var err error
		if f.view {
			v, err = f.f(f.w.self, value)
		} else {
			v, err = f.f(f.w.self, value, f.reqValue)
		}
		pass = err == nil && v.ToBoolean()
		return err
	})
	if f.w.broken {
		f.Release()
	}
	if !f.view {
		if e, ok := errors.AsType[*Error](err); ok && (e.Kind == Forbidden || e.Kind == Unauthorized) {
			e.Kind = Thrown // nothing is forbidden to the reader
		}
		return pass, err
	}
	if e, ok := errors.AsType[*Error](err); ok && !e.Fatal {
		return false, nil
	}
	return f.emitted, err
}

// Update calls an update function. write is the document to be written, as JSON, nil for none;
// doc is nil if there is no document.
func (d *Design) Update(name string, doc, req []byte) (write []byte, resp Response, err error) {
	err = d.call([]string{"updates", name}, func(w *worker, f goja.Callable) error {
		v, err := f(w.self, w.checked(doc), w.checked(req))
		if err != nil {
			return w.rendering(err)
		}
		result, ok := v.(*goja.Object)
		if !ok {
			return noResponse("update")
		}
		if toWrite, ok := result.Get("0").(*goja.Object); ok {
			if write, err = w.appendJSON(nil, toWrite); err != nil {
				return err
			}
		}
		answer := result.Get("1")
		if obj, ok := answer.(*goja.Object); ok && !answers(obj) {
			return noResponse("update")
		}
		resp, err = w.response(answer)
		return err
	})
	return write, resp, err
}

// Show calls a show function; doc is nil if there is no document.
func (d *Design) Show(name string, doc, req []byte) (resp Response, err error) {
	err = d.call([]string{"shows", name}, func(w *worker, f goja.Callable) error {
		a := &answer{req: w.checked(req)}
		w.answer = a
		v, err := f(w.self, w.checked(doc), a.req)
		if err == nil {
			resp, err = w.shown(v, a)
		}
		if err == nil {
			return nil
		}
		if len(doc) == 0 && hasDocPath(a.req) {
			return &Error{Kind: Named, Word: "not_found", Reason: "document not found"}
		}
		return w.rendering(err)
	})
	return resp, err
}

// hasDocPath reports, as CouchDB decides it, whether a show was requested with a document.
func hasDocPath(req goja.Value) bool {
	obj, ok := req.(*goja.Object)
	if !ok {
		return false
	}
	path, ok := obj.Get("path").(*goja.Object)
	return ok && path.Get("length").ToInteger() > 5
}

// Rewrite calls rewrites if it is a function; the result is JSON.
func (d *Design) Rewrite(req []byte) (result []byte, err error) {
	err = d.call([]string{"rewrites"}, func(w *worker, f goja.Callable) error {
		v, err := f(w.self, w.checked(req))
		if err != nil {
			return w.rendering(err)
		}
		result, err = w.appendJSON(nil, v)
		return err
	})
	return result, err
}

// call runs fn with a function under the guard.
func (d *Design) call(path []string, fn func(*worker, goja.Callable) error) error {
	w, err := d.worker()
	if err != nil {
		return err
	}
	defer w.done()
	f, err := w.find(path...)
	if err != nil {
		return err
	}
	return w.do(func() error { return fn(w, f) })
}

// rendering converts the error of a function that should have answered a request: only an error
// that it threw by name keeps its name.
func (w *worker) rendering(err error) error {
	e := w.errorOf(err)
	switch e.Kind {
	case Named, Stopped, Compilation, Missing, Rendering:
		return e
	}
	reason := e.Error()
	if x, ok := errors.AsType[*goja.Exception](err); ok {
		if obj, ok := x.Value().(*goja.Object); ok {
			if word, why := text(obj.Get("error")), text(obj.Get("reason")); word != "" && why != "" {
				return &Error{Kind: Named, Word: word, Reason: why}
			}
		}
		reason = w.show(x.Value())
	}
	return &Error{Kind: Rendering, Word: "render_error", Reason: "function raised error: " + reason}
}

// MaxHeaders is the most headers of an answer.
const MaxHeaders = 1000

// response reads a function's result: text, or an object with a body in one of three forms, a
// code and headers.
func (rt *runtime) response(v goja.Value) (resp Response, err error) {
	if s, ok := v.(goja.String); ok {
		return Response{Body: rt.appendText(nil, s.String()), Type: typeHTML}, nil
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		return resp, noResponse("update")
	}
	if code := obj.Get("code"); present(code) {
		resp.Code = int(code.ToInteger())
	}
	if headers, ok := obj.Get("headers").(*goja.Object); ok {
		for i, name := range headers.Keys() {
			if i == MaxHeaders {
				rt.exceed("the function sets too many headers")
				break
			}
			resp.Headers = append(resp.Headers, Header{name, headers.Get(name).String()})
		}
	}
	switch body, js, packed := obj.Get("body"), obj.Get("json"), obj.Get("base64"); {
	case present(js):
		resp.Type = typeJSON
		resp.Body, err = rt.appendJSON(nil, js)
	case present(packed):
		resp.Type = "application/binary"
		if resp.Body, err = unpack(packed.String()); err == nil {
			resp.Body = rt.appendText(nil, string(resp.Body))
		}
	case present(body):
		resp.Type = typeHTML
		resp.Body = rt.appendText(nil, body.String())
	default:
		resp.NoBody = true
	}
	return resp, err
}

func present(v goja.Value) bool { return v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) }
