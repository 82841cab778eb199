package script

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/dop251/goja"

	"github.com/tododb/tododb/store/jsonscan"
)

// Kind says how a call ended.
type Kind int

// The kinds of errors.
const (
	Thrown       Kind = iota // the function threw something not listed below, or is wrong
	Forbidden                // it threw {forbidden: ...}
	Unauthorized             // it threw {unauthorized: ...}
	Named                    // it threw ["error", name, reason] or ["fatal", name, reason]
	Compilation              // the source does not compile, or is not a function
	Missing                  // the design document has no such function
	Stopped                  // it was interrupted: time, stack or memory ran out
	Rendering                // what it returned cannot be used
)

// Error is how a call failed, in CouchDB's words.
type Error struct {
	Kind   Kind
	Word   string // CouchDB's error word
	Reason string
	// Value is the reason as JSON, if the thrown value is not a string.
	Value []byte
	// Fatal says that ["fatal", ...] or "fatal_error" was thrown: the whole operation fails,
	// not only this document.
	Fatal bool
}

func (e *Error) Error() string { return e.Word + ": " + e.Reason }

func compilationError(format string, args ...any) *Error {
	return &Error{Kind: Compilation, Word: "compilation_error", Reason: fmt.Sprintf(format, args...)}
}

// MissingError says that a design document has no member of that name.
func MissingError(name string) *Error {
	return &Error{Kind: Missing, Word: "not_found", Reason: "missing json key: " + name}
}

// stopped says why a call was interrupted. goja is interrupted with this value.
type stopped struct{ reason string }

// errorOf translates the error that a call into goja ended with.
func (rt *runtime) errorOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*goja.InterruptedError](err); ok {
		reason := "the function was stopped"
		if s, ok := e.Value().(stopped); ok {
			reason = s.reason
		}
		rt.broken = true
		return &Error{Kind: Stopped, Word: "os_process_error", Reason: reason, Fatal: true}
	}
	if _, ok := errors.AsType[*goja.StackOverflowError](err); ok {
		return &Error{Kind: Thrown, Word: "InternalError", Reason: "too much recursion"}
	}
	if e, ok := errors.AsType[*goja.Exception](err); ok {
		return rt.thrown(e)
	}
	return &Error{Kind: Thrown, Word: "unknown_error", Reason: err.Error()}
}

// thrown translates an exception by its thrown value.
func (rt *runtime) thrown(exception *goja.Exception) *Error {
	value := exception.Value()
	obj, isObject := value.(*goja.Object)
	if !isObject {
		if value != nil && value.String() == "fatal_error" {
			return &Error{Kind: Named, Word: "map_runtime_error", Reason: "function raised 'fatal_error'", Fatal: true}
		}
		return &Error{Kind: Thrown, Word: "unknown_error", Reason: rt.show(value)}
	}
	if obj.ExportType() == errorType {
		return obj.Export().(*Error)
	}
	var out *Error
	// Members of the thrown value may be accessors that throw themselves.
	if err := rt.js.Try(func() { out = rt.thrownObject(obj) }); err != nil || out == nil {
		return &Error{Kind: Thrown, Word: "unknown_error", Reason: "function raised an exception that cannot be read"}
	}
	if out.Kind == Thrown && out.Word == "" {
		out.Word, out.Reason = "unknown_error", rt.show(value)
	}
	return out
}

var errorType = reflect.TypeFor[*Error]()

func (rt *runtime) thrownObject(obj *goja.Object) *Error {
	if obj.ClassName() == "Array" {
		first, name := text(obj.Get("0")), text(obj.Get("1"))
		if (first == "error" || first == "fatal") && name != "" {
			return &Error{Kind: Named, Word: name, Reason: rt.reasonText(obj.Get("2")), Fatal: first == "fatal"}
		}
		return &Error{Kind: Thrown}
	}
	for _, kind := range []Kind{Forbidden, Unauthorized} {
		word := map[Kind]string{Forbidden: "forbidden", Unauthorized: "unauthorized"}[kind]
		reason := obj.Get(word)
		if reason == nil || goja.IsUndefined(reason) || !reason.ToBoolean() {
			continue
		}
		e := &Error{Kind: kind, Word: word, Reason: rt.reasonText(reason)}
		if _, isText := reason.(goja.String); !isText {
			e.Value = []byte(e.Reason)
		}
		return e
	}
	if obj.ClassName() == "Error" {
		return &Error{Kind: Thrown, Word: text(obj.Get("name")), Reason: text(obj.Get("message"))}
	}
	return &Error{Kind: Thrown}
}

// text returns a value that is a string, "" for any other.
func text(v goja.Value) string {
	if s, ok := v.(goja.String); ok {
		return s.String()
	}
	return ""
}

// reasonText returns a string as it is, and any other value as JSON.
func (rt *runtime) reasonText(v goja.Value) string {
	if s, ok := v.(goja.String); ok {
		return s.String()
	}
	b, err := rt.appendJSON(nil, v)
	if err != nil {
		return "null"
	}
	return string(b)
}

// show formats a thrown value for the reader of a log.
func (rt *runtime) show(v goja.Value) string {
	if v == nil {
		return "undefined"
	}
	if s, ok := v.(goja.String); ok {
		return string(jsonscan.AppendString(nil, s.String()))
	}
	if obj, ok := v.(*goja.Object); ok && obj.ClassName() != "Error" {
		return "(" + rt.reasonText(v) + ")"
	}
	return v.String()
}
