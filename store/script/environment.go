package script

import (
	_ "embed"
	"sync"

	"github.com/dop251/goja"
)

// environmentJS holds those parts of the environment that are simplest in JavaScript.
//
//go:embed environment.js
var environmentJS string

var environmentProgram = sync.OnceValues(func() (*goja.Program, error) {
	return goja.Compile("environment.js", environmentJS, false)
})

// furnish adds to a runtime what functions expect in it.
func (rt *runtime) furnish() error {
	global := map[string]func(goja.FunctionCall) goja.Value{
		"emit":         rt.jsEmit,
		"log":          rt.jsLog,
		"require":      func(c goja.FunctionCall) goja.Value { return rt.require(nil, c.Argument(0)) },
		"start":        rt.jsStart,
		"send":         rt.jsSend,
		"getRow":       rt.jsGetRow,
		"provides":     rt.jsProvides,
		"registerType": rt.jsRegisterType,
	}
	for name, f := range global {
		if err := rt.js.Set(name, f); err != nil {
			return err
		}
	}
	json := rt.js.GlobalObject().Get("JSON").(*goja.Object)
	native, _ := goja.AssertFunction(json.Get("stringify"))
	parse, _ := goja.AssertFunction(json.Get("parse"))
	if err := json.Set("stringify", rt.stringify(native)); err != nil {
		return err
	}
	if err := json.Set("parse", rt.parse(parse)); err != nil {
		return err
	}
	p, err := environmentProgram()
	if err != nil {
		return err
	}
	setup, err := rt.js.RunProgram(p)
	if err != nil {
		return err
	}
	fn, _ := goja.AssertFunction(setup)
	_, err = fn(goja.Undefined(), rt.js.ToValue(isLazy), rt.js.ToValue(maxText), rt.js.ToValue(maxArray), rt.js.ToValue(rt.jsSpell))
	return err
}

// maxArray is the greatest length of an array for methods during which goja does not check for
// interrupts: longer ones could not be stopped.
const maxArray = 10_000_000

func (rt *runtime) jsEmit(c goja.FunctionCall) goja.Value {
	if rt.emit != nil {
		rt.emit(c.Argument(0), c.Argument(1))
	}
	return goja.Undefined()
}

func (rt *runtime) jsLog(c goja.FunctionCall) goja.Value {
	rt.log(rt.reasonText(c.Argument(0)))
	return goja.Undefined()
}

// stringify is JSON.stringify with a limit on its output. A call with a replacer function is
// left to goja, which can be stopped there.
func (rt *runtime) stringify(native goja.Callable) func(goja.FunctionCall) goja.Value {
	return func(c goja.FunctionCall) goja.Value {
		replacer := c.Argument(1)
		if _, ok := goja.AssertFunction(replacer); ok {
			v, err := native(goja.Undefined(), c.Arguments...)
			if err != nil {
				panic(err)
			}
			return v
		}
		w := jsonWriter{rt: rt, limit: maxOutput, gap: gapOf(c.Argument(2))}
		if list, ok := replacer.(*goja.Object); ok && list.ClassName() == "Array" {
			w.allowed = map[string]bool{}
			rt.js.ForOf(list, func(v goja.Value) bool {
				w.allowed[v.String()] = true
				return true
			})
		}
		if !w.value("", c.Argument(0)) {
			return goja.Undefined()
		}
		return rt.js.ToValue(string(w.b))
	}
}

// gapOf reads the third argument of JSON.stringify.
func gapOf(v goja.Value) string {
	const spaces = "          "
	switch x := v.Export().(type) {
	case int64:
		return spaces[:min(max(x, 0), 10)]
	case float64:
		return spaces[:int(min(max(x, 0), 10))]
	case string:
		return x[:min(len(x), 10)]
	}
	return ""
}

// parse is JSON.parse for calls without a reviver; goja's own would follow nested brackets
// until the stack of the process overflows.
func (rt *runtime) parse(native goja.Callable) func(goja.FunctionCall) goja.Value {
	return func(c goja.FunctionCall) goja.Value {
		raw, err := trimJSON(c.Argument(0).String())
		if err != nil {
			e, err := rt.js.New(rt.js.Get("SyntaxError"), rt.js.ToValue("JSON.parse: unexpected character or end of data"))
			if err != nil {
				panic(err)
			}
			panic(e)
		}
		if _, ok := goja.AssertFunction(c.Argument(1)); ok {
			v, err := native(goja.Undefined(), c.Arguments...)
			if err != nil {
				panic(err)
			}
			return v
		}
		return rt.value(raw)
	}
}
