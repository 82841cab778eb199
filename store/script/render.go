package script

import (
	"encoding/base64"

	"github.com/dop251/goja"

	"github.com/tododb/tododb/store/jsonscan"
)

const (
	typeHTML = "text/html; charset=utf-8"
	typeJSON = "application/json"
)

// answer is the answer that a show or list function is building.
type answer struct {
	req     goja.Value
	started goja.Value // the argument of start
	chunks  []byte     // sent but not yet passed on
	formats []format   // the arguments of provides

	// For a list only.
	rows  RowReader
	out   ListWriter
	begun bool // the head of the answer has been passed on
	ended bool // there are no more rows
	over  bool // the function has returned
	kind  string
}

// RowReader returns the rows of a view, as JSON, one after the other; nil after the last.
type RowReader func() (row []byte, err error)

// ListWriter receives what a list function sends. Begin comes once, before Chunk, with what
// start was last called with before the first bytes were sent.
type ListWriter interface {
	Begin(Response) error
	Chunk([]byte) error
}

// unpack decodes base64; anything else is a rendering error.
func unpack(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, &Error{Kind: Rendering, Word: "render_error", Reason: "invalid base64 in the response"}
	}
	return b, nil
}

func (rt *runtime) jsStart(c goja.FunctionCall) goja.Value {
	if rt.answer != nil {
		rt.answer.started = c.Argument(0)
	}
	return goja.Undefined()
}

func (rt *runtime) jsSend(c goja.FunctionCall) goja.Value {
	if a := rt.answer; a != nil {
		a.chunks = rt.appendText(a.chunks, c.Argument(0).String())
	}
	return goja.Undefined()
}

// appendText appends what a function sends. Too much of it ends the call.
func (rt *runtime) appendText(b []byte, s string) []byte {
	if rt.exceeded != nil || len(b)+len(s) > rt.opt.output() {
		rt.exceed("the function sends too much")
		return b
	}
	return append(b, s...)
}

func (rt *runtime) jsGetRow(goja.FunctionCall) goja.Value {
	a := rt.answer
	if a == nil || a.rows == nil || a.ended {
		return goja.Null()
	}
	row, err := rt.nextRow(a)
	if err != nil {
		panic(rt.js.ToValue(&outside{err}))
	}
	if row == nil {
		a.ended = true
		return goja.Null()
	}
	return rt.checked(row)
}

// outside wraps an error that is not the function's: from reading rows or from the client.
type outside struct{ err error }

// nextRow passes on what was sent so far and gets a row.
func (rt *runtime) nextRow(a *answer) (row []byte, err error) {
	err = rt.passOn(a, func() error {
		row, err = a.rows()
		return err
	})
	return row, err
}

// passOn passes on what was sent so far, then calls then. The time of both does not count as
// the function's. The head goes out with the first bytes, or with the end of the answer: until
// then the function may call start, or fail with a status of its own.
func (rt *runtime) passOn(a *answer, then func() error) error {
	var head Response
	var err error
	begins := !a.begun && (len(a.chunks) > 0 || a.over)
	if begins {
		if head, err = rt.startResponse(a); err != nil { // this may run the function's code
			return err
		}
	}
	rt.guard.end()
	defer rt.guard.begin()
	if begins {
		a.begun = true
		if err := a.out.Begin(head); err != nil {
			return err
		}
	}
	if len(a.chunks) > 0 {
		if err := a.out.Chunk(a.chunks); err != nil {
			return err
		}
		a.chunks = a.chunks[:0]
	}
	return then()
}

// startResponse reads the argument of start.
func (rt *runtime) startResponse(a *answer) (resp Response, err error) {
	if obj, ok := a.started.(*goja.Object); ok {
		if resp, err = rt.response(obj); err != nil {
			return resp, err
		}
	}
	resp.Type = ""
	resp.setDefault(a.kind)
	return resp, nil
}

// startHeaders appends the headers that start has in a show that has sent something. As in
// CouchDB they are the members of its argument itself, those that are text.
func (rt *runtime) startHeaders(headers []Header, a *answer) []Header {
	obj, ok := a.started.(*goja.Object)
	if !ok {
		return headers
	}
	for _, name := range obj.Keys() {
		text, ok := obj.Get(name).(goja.String)
		if !ok {
			continue
		}
		if len(headers) >= MaxHeaders {
			rt.exceed("the function sets too many headers")
			break
		}
		headers = append(headers, Header{name, text.String()})
	}
	return headers
}

// answers tells whether an object can be the answer of a function: a list and a function cannot,
// as typeOf in CouchDB's render.js has it.
func answers(obj *goja.Object) bool {
	_, callable := goja.AssertFunction(obj)
	return !callable && obj.ClassName() != "Array"
}

// noResponse is the error of a show or update function that returned what is no answer.
func noResponse(kind string) error {
	return &Error{Kind: Rendering, Word: "render_error", Reason: "undefined response from " + kind + " function"}
}

// shown makes the response of a show function from what it returned, what it sent, and
// provides.
func (w *worker) shown(v goja.Value, a *answer) (resp Response, err error) {
	switch returned := v.(type) {
	case goja.String:
		if returned.Length() > 0 {
			resp, err = w.response(v)
		} else {
			resp.NoBody = true
		}
	case *goja.Object:
		if !answers(returned) {
			return resp, noResponse("show")
		}
		resp, err = w.response(v)
	default:
		// As in runShow of CouchDB's render.js: what is not true stands for an empty object.
		if v != nil && v.ToBoolean() {
			return resp, noResponse("show")
		}
		resp.NoBody = true
	}
	if err != nil {
		return resp, err
	}
	sent := func() {
		if len(a.chunks) > 0 {
			resp.Body, resp.NoBody = append(a.chunks, resp.Body...), false
			resp.Headers = w.startHeaders(resp.Headers, a)
			a.chunks = nil
		}
	}
	sent()
	if len(a.formats) > 0 {
		v, err := w.provide(a)
		if err != nil {
			return resp, err
		}
		body := resp.Body
		if resp.NoBody {
			body = nil
		}
		body = append(body, a.chunks...)
		a.chunks = nil
		// As in CouchDB, only the body of a provided function's result counts.
		if given, err := w.response(v); err == nil && given.Type == typeHTML {
			body = append(body, given.Body...)
		}
		resp.Body, resp.NoBody, resp.Type = body, len(body) == 0, typeHTML
		resp.setDefault(a.kind)
	}
	if resp.NoBody && resp.Type == "" {
		resp.Type = typeJSON
	}
	return resp, nil
}

// List calls a list function over rows.
func (d *Design) List(call ListCall, rows RowReader, out ListWriter) error {
	return d.call([]string{"lists", call.Name}, func(w *worker, f goja.Callable) error {
		a := &answer{req: w.checked(call.Req), rows: rows, out: out}
		w.answer = a
		tail, err := f(w.self, w.checked(call.Head), a.req)
		if err == nil && len(a.formats) > 0 {
			tail, err = w.provide(a)
		}
		if err != nil {
			return w.listError(err)
		}
		if tail != nil && !goja.IsUndefined(tail) {
			a.chunks = w.appendText(a.chunks, tail.String())
		}
		a.over = true
		if err := w.passOn(a, func() error { return nil }); err != nil {
			return passed{err}
		}
		return nil
	})
}

// listError unwraps an error that only passed through the function.
func (w *worker) listError(err error) error {
	if x, ok := asException(err); ok {
		if obj, ok := x.Value().(*goja.Object); ok && obj.ExportType() == outsideType {
			return passed{obj.Export().(*outside).err}
		}
	}
	return w.rendering(err)
}

func trimJSON(s string) ([]byte, error) { return jsonscan.Trim([]byte(s)) }
