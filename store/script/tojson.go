package script

import (
	"math"
	"strconv"

	"github.com/dop251/goja"

	"github.com/tododb/tododb/store/jsonscan"
)

// appendJSON appends a value as JSON.stringify writes it; what that leaves out (undefined,
// functions) becomes null. It fails if the value contains itself, if a toJSON throws, or if the
// text exceeds the output limit of a call.
func (rt *runtime) appendJSON(b []byte, v goja.Value) (out []byte, err error) {
	w := jsonWriter{rt: rt, b: b, limit: len(b) + rt.opt.output(), output: true}
	if !w.primitive(v) {
		if err := rt.js.Try(func() {
			if !w.value("", v) {
				w.b = append(w.b, "null"...)
			}
		}); err != nil {
			return b, rt.errorOf(err)
		}
	}
	if len(w.b) > w.limit { // by the last write
		rt.exceed("the function makes a value that is too large")
		return b, rt.exceeded
	}
	return w.b, nil
}

// jsonWriter writes one JSON text. Its methods panic like functions that goja calls, so they
// run inside a Try or such a function.
type jsonWriter struct {
	rt      *runtime
	b       []byte
	limit   int
	above   []*goja.Object  // the objects around the value, to find circles
	gap     string          // to indent with
	allowed map[string]bool // if not nil: the members to write
	output  bool            // the text leaves the function: if it is too long, the call ends
}

// primitive appends a value that is not an object and reports whether it was one.
func (w *jsonWriter) primitive(v goja.Value) bool {
	switch v := v.(type) {
	case nil:
		w.b = append(w.b, "null"...)
	case *goja.Object:
		return false
	case goja.String:
		w.b = jsonscan.AppendString(w.b, v.String())
	default:
		switch x := v.Export().(type) {
		case int64:
			w.b = strconv.AppendInt(w.b, x, 10)
		case float64:
			w.b = appendNumber(w.b, x)
		case bool:
			w.b = strconv.AppendBool(w.b, x)
		default:
			w.b = append(w.b, "null"...) // undefined, null; symbols
		}
	}
	return true
}

// appendNumber writes a number as JavaScript does.
func appendNumber(b []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(b, "null"...)
	case f == math.Trunc(f) && abs < 1<<53:
		return strconv.AppendInt(b, int64(f), 10) // of -0 too
	case abs >= 1e21 || abs < 1e-6:
		b = strconv.AppendFloat(b, f, 'e', -1, 64)
		if n := len(b); b[n-2] == '0' && (b[n-3] == '-' || b[n-3] == '+') {
			b = append(b[:n-2], b[n-1]) // e-07 is e-7
		}
		return b
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// value appends a named member of an object or array; it reports whether there was anything to
// write.
func (w *jsonWriter) value(name string, v goja.Value) bool {
	// Nothing checks for interrupts during a walk through a value; goja does once it is back
	// in the function.
	if len(w.b) > w.limit && w.output {
		w.rt.exceed("the function makes a value that is too large")
	}
	if len(w.b) > w.limit || w.rt.guard.hit.Load() {
		panic(w.rt.rangeError("the JSON text is too long"))
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		if v == nil || goja.IsUndefined(v) {
			return false
		}
		if _, symbol := v.(*goja.Symbol); symbol {
			return false
		}
		return w.primitive(v)
	}
	if w.gap == "" && w.allowed == nil {
		if raw := lazyBytes(obj); raw != nil {
			if b, ok := appendCanonical(w.b, raw); ok {
				w.b = b
				return true
			}
		}
	}
	if f, ok := goja.AssertFunction(obj.Get("toJSON")); ok {
		v, err := f(obj, w.rt.js.ToValue(name))
		if err != nil {
			panic(err)
		}
		if obj, ok = v.(*goja.Object); !ok {
			return w.value(name, v)
		}
	}
	switch class := obj.ClassName(); class {
	case "Function":
		return false
	case "Number", "String", "Boolean":
		return w.primitive(w.rt.unboxed(obj, class))
	case "Array":
		w.nested(obj, '[', ']', w.elements)
	default:
		if _, isFunction := goja.AssertFunction(obj); isFunction {
			return false
		}
		w.nested(obj, '{', '}', w.members)
	}
	return true
}

// unboxed is the value in a Number, String or Boolean object.
func (rt *runtime) unboxed(obj *goja.Object, class string) goja.Value {
	switch class {
	case "Number":
		return obj.ToNumber()
	case "String":
		return obj.ToString()
	}
	return rt.js.ToValue(obj.Export())
}

// nested writes an object or an array; inside writes its content.
func (w *jsonWriter) nested(obj *goja.Object, open, end byte, inside func(*goja.Object) int) {
	for _, o := range w.above {
		if o == obj {
			panic(w.rt.js.NewTypeError("cyclic object value"))
		}
	}
	if len(w.above) >= jsonscan.MaxDepth {
		panic(w.rt.rangeError("the value nests too deep"))
	}
	w.above = append(w.above, obj)
	w.b = append(w.b, open)
	n := inside(obj)
	w.above = w.above[:len(w.above)-1]
	if n > 0 {
		w.line()
	}
	w.b = append(w.b, end)
}

// line begins a new line if the text is indented.
func (w *jsonWriter) line() {
	if w.gap == "" {
		return
	}
	w.b = append(w.b, '\n')
	for range w.above {
		w.b = append(w.b, w.gap...)
	}
}

func (w *jsonWriter) elements(array *goja.Object) (n int) {
	length := array.Get("length").ToInteger()
	for i := range length {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.line()
		name := strconv.FormatInt(i, 10)
		if !w.value(name, array.Get(name)) {
			w.b = append(w.b, "null"...)
		}
	}
	return int(length)
}

func (w *jsonWriter) members(obj *goja.Object) (n int) {
	for _, name := range obj.Keys() {
		if w.allowed != nil && !w.allowed[name] {
			continue
		}
		from := len(w.b)
		if n > 0 {
			w.b = append(w.b, ',')
		}
		w.line()
		w.b = append(jsonscan.AppendString(w.b, name), ':')
		if w.gap != "" {
			w.b = append(w.b, ' ')
		}
		if w.value(name, obj.Get(name)) {
			n++
		} else {
			w.b = w.b[:from]
		}
	}
	return n
}

// appendCanonical copies JSON as JavaScript would write it after reading it: numbers become
// float64s. It gives up, and ok is false, if names look like array indexes, since JavaScript
// moves those to the front.
func appendCanonical(b, raw []byte) (out []byte, ok bool) {
	from := len(b)
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			end, _, err := jsonscan.SkipString(raw, i)
			if err != nil {
				return b[:from], false
			}
			if end < len(raw) && raw[end] == ':' && raw[i+1] >= '0' && raw[i+1] <= '9' {
				return b[:from], false
			}
			b = append(b, raw[i:end]...)
			i = end
		case c == '-' || c >= '0' && c <= '9':
			end, float, err := jsonscan.SkipNumber(raw, i)
			if err != nil {
				return b[:from], false
			}
			if n := raw[i:end]; !float && len(n) <= 15 {
				b = append(b, n...)
			} else if f, err := jsonscan.Float(n); err == nil {
				b = appendNumber(b, f)
			} else {
				return b[:from], false
			}
			i = end
		case c == ' ' || c == '\n' || c == '\r' || c == '\t':
			i++
		default:
			b = append(b, c)
			i++
		}
	}
	return b, true
}
