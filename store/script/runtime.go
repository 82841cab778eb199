package script

import (
	"fmt"

	"github.com/dop251/goja"
)

// runtime is one JavaScript world. It holds the functions of one design document, and makes one
// call at a time.
type runtime struct {
	js            *goja.Runtime
	opt           Options
	guard         guard
	modules       *modules
	loadedModules map[string]*goja.Object
	broken        bool   // a call was stopped: do not trust what it left
	exceeded      *Error // the running call reached its output limit
	logged        int    // bytes logged by the call

	yes, no goja.Value
	names   map[string]string // member names, each kept once

	// The environment's functions depend on the call they are made in.
	emit    func(key, value goja.Value)
	answer  *answer
	formats *formats
}

func newRuntime(opt Options, modules *modules) (*runtime, error) {
	if !opt.watched() {
		limitRegexps()
	}
	rt := &runtime{js: goja.New(), opt: opt, modules: modules, names: map[string]string{}, loadedModules: map[string]*goja.Object{}}
	rt.js.SetMaxCallStackSize(maxStack)
	rt.guard.opt, rt.guard.interrupt, rt.guard.clear = opt, func(v any) { rt.js.Interrupt(v) }, rt.js.ClearInterrupt
	rt.yes, rt.no = rt.js.ToValue(true), rt.js.ToValue(false)
	rt.formats = newFormats()
	if err := rt.furnish(); err != nil {
		return nil, err
	}
	return rt, nil
}

// function makes a function from compiled source.
func (rt *runtime) function(p *goja.Program, source string) (fn goja.Callable, err error) {
	err = rt.do(func() error {
		v, err := rt.js.RunProgram(p)
		if err != nil {
			e := rt.errorOf(err)
			if e.Kind != Stopped {
				e = compilationError("%s (%s)", e.Reason, source)
			}
			return e
		}
		f, ok := goja.AssertFunction(v)
		if !ok {
			return compilationError("Expression does not eval to a function. (%s)", source)
		}
		fn = f
		return nil
	})
	return fn, err
}

// do runs a call into goja under the guard. Errors are *Error, except for those that only
// passed through it.
func (rt *runtime) do(fn func() error) (err error) {
	rt.guard.begin()
	defer rt.guard.end()
	rt.exceeded, rt.logged = nil, 0
	defer func() {
		p := recover()
		if rt.exceeded != nil {
			err = rt.exceeded
			return
		}
		if p == nil {
			return
		}
		// A panic in goja or this package leaves a runtime that cannot be trusted, but must
		// not take the server down.
		rt.broken = true
		switch p := p.(type) {
		case *goja.Exception: // from an accessor or a toString
			err = rt.errorOf(p)
		case *goja.InterruptedError:
			err = rt.errorOf(p)
		default:
			err = &Error{Kind: Stopped, Word: "os_process_error", Reason: fmt.Sprintf("the function could not be run: %v", p), Fatal: true}
		}
	}()
	switch err := fn().(type) {
	case nil:
		return nil
	case passed:
		return err.error
	default:
		return rt.errorOf(err)
	}
}

// intern returns the text of a name, at no cost for a known one. It has a limit, for documents
// whose names are data.
func (rt *runtime) intern(name []byte) string {
	if s, ok := rt.names[string(name)]; ok {
		return s
	}
	s := string(name)
	if len(rt.names) < 1000 {
		rt.names[s] = s
	}
	return s
}

func (rt *runtime) rangeError(message string) goja.Value {
	e, err := rt.js.New(rt.js.Get("RangeError"), rt.js.ToValue(message))
	if err != nil {
		return rt.js.NewTypeError(message)
	}
	return e
}

// maxLog is the most bytes that one call may log; the rest is dropped.
const maxLog = 64 << 10

func (rt *runtime) log(message string) {
	if rt.opt.Log == nil || rt.logged > maxLog {
		return
	}
	if rt.logged += len(message) + 100; rt.logged > maxLog {
		message = "the function logs too much"
	}
	rt.opt.Log.Info("design function", "message", message)
}

// exceed stops the running call because its output is too large. No function can catch that: a
// call that hit a limit must not look as if it had ended well, or thrown.
func (rt *runtime) exceed(what string) {
	if rt.exceeded == nil {
		rt.exceeded = &Error{Kind: Stopped, Word: "os_process_error", Reason: what, Fatal: true}
		rt.broken = true
	}
	rt.js.Interrupt(stopped{what})
}
