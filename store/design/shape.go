package design

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tododb/tododb/store/jsonscan"
)

// ShapeError says that a member of a design document has the wrong type. Reason is in CouchDB's
// words.
type ShapeError struct{ Reason string }

func (e *ShapeError) Error() string { return e.Reason }

var (
	// ErrNoFunction says that the source of a reduce function is empty.
	ErrNoFunction = errors.New("design: missing function")
	// ErrNoView says that a design document has no view of that name.
	ErrNoView = errors.New("design: missing_named_view")
)

// kinds names types of JSON values by their first bytes, as jsonscan.Kind gives them.
type kinds struct {
	first string // of acceptable values
	text  string // as a reason names them
}

var (
	anObject  = kinds{"{", "object"}
	aString   = kinds{`"`, "string"}
	aBoolean  = kinds{"tf", "boolean"}
	aFunction = kinds{`"{`, "string or object"} // by itself, or split into parts
	aRewrite  = kinds{`"[`, "array or string"}
	aVerdict  = kinds{`"{`, "string or object"} // in the language "query", a selector
)

// top lists the types that members of a design document must have. Other members belong to the
// application.
var top = map[string]kinds{
	"filters": anObject, "lists": anObject, "options": anObject, "shows": anObject, "updates": anObject, "views": anObject,
	"language": aString, "validate_doc_update": aVerdict, "rewrites": aRewrite,
}

// options lists the types that the options must have.
var options = map[string]kinds{"include_design": aBoolean, "local_seq": aBoolean, "partitioned": aBoolean, "changes": aBoolean}

// CheckShape judges the body of a design document, a JSON object that has been checked. The
// error is a *ShapeError or ErrNoFunction. It follows couch_mrview:validate_ddoc_fields of
// CouchDB.
func CheckShape(body []byte) error {
	mapKind, verdictKind := aString, aString
	err := jsonscan.EachMember(body, func(name, value []byte) error {
		want, known := top[string(name)]
		if known && !want.has(value) {
			return wrong(want, string(name))
		}
		if text, err := jsonscan.Text(value); err == nil && string(name) == "language" && text == query {
			mapKind, verdictKind = anObject, aVerdict // a Mango index
		}
		return nil
	})
	if err != nil {
		return err
	}
	return jsonscan.EachMember(body, func(name, value []byte) error {
		switch group := string(name); group {
		case "validate_doc_update":
			if !verdictKind.has(value) {
				return wrong(verdictKind, group)
			}
		case "filters", "lists", "shows", "updates":
			return jsonscan.EachMember(value, func(name, value []byte) error {
				if !aFunction.has(value) {
					return wrong(aFunction, group, string(name))
				}
				return nil
			})
		case "options":
			return jsonscan.EachMember(value, func(name, value []byte) error {
				if want, known := options[string(name)]; known && !want.has(value) {
					return wrong(want, "options", string(name))
				}
				return nil
			})
		case "views":
			return jsonscan.EachMember(value, func(name, view []byte) error {
				return checkView(string(name), view, mapKind)
			})
		}
		return nil
	})
}

func checkView(name string, view []byte, mapKind kinds) error {
	if !anObject.has(view) {
		return wrong(anObject, "views", name)
	}
	if name == "lib" { // modules for the map functions
		return nil
	}
	mapped := false
	err := jsonscan.EachMember(view, func(member, value []byte) error {
		switch string(member) {
		case "map":
			mapped = true
			if !mapKind.has(value) {
				return wrong(mapKind, "views", name, "map")
			}
		case "reduce":
			reduce, err := jsonscan.Text(value)
			if err != nil {
				return wrong(aString, "views", name, "reduce")
			}
			if strings.HasPrefix(reduce, "_") {
				_, err = ParseBuiltin(reduce)
			} else if reduce == "" {
				err = ErrNoFunction
			}
			return err
		}
		return nil
	})
	if err == nil && !mapped {
		err = &ShapeError{fmt.Sprintf("View `%s` must contain map function", name)}
	}
	return err
}

func (k kinds) has(value []byte) bool { return strings.IndexByte(k.first, jsonscan.Kind(value)) >= 0 }

func wrong(want kinds, path ...string) error {
	return &ShapeError{fmt.Sprintf("`%s` field must have %s type", strings.Join(path, "."), want.text)}
}
