package script

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// formats are the media types that provides knows by name; registerType adds more.
type formats struct {
	byName map[string][]string
}

// known are CouchDB's formats.
var known = map[string][]string{
	"all":              {"*/*"},
	"text":             {"text/plain; charset=utf-8", "txt"},
	"html":             {typeHTML},
	"xhtml":            {"application/xhtml+xml", "xhtml"},
	"xml":              {"application/xml", "text/xml", "application/x-xml"},
	"js":               {"text/javascript", "application/javascript", "application/x-javascript"},
	"css":              {"text/css"},
	"ics":              {"text/calendar"},
	"csv":              {"text/csv"},
	"rss":              {"application/rss+xml"},
	"atom":             {"application/atom+xml"},
	"yaml":             {"application/x-yaml", "text/yaml"},
	"multipart_form":   {"multipart/form-data"},
	"url_encoded_form": {"application/x-www-form-urlencoded"},
	"json":             {typeJSON, "text/x-json"},
}

func newFormats() *formats { return &formats{byName: map[string][]string{}} }

func (f *formats) types(name string) []string {
	if types, ok := f.byName[name]; ok {
		return types
	}
	return known[name]
}

// format is an argument of provides: a name, and the function that makes the answer in that
// format.
type format struct {
	name string
	make goja.Callable
}

func (rt *runtime) jsProvides(c goja.FunctionCall) goja.Value {
	if a := rt.answer; a != nil {
		if f, ok := goja.AssertFunction(c.Argument(1)); ok {
			a.formats = append(a.formats, format{c.Argument(0).String(), f})
		}
	}
	return goja.Undefined()
}

func (rt *runtime) jsRegisterType(c goja.FunctionCall) goja.Value {
	if len(c.Arguments) < 2 {
		return goja.Undefined()
	}
	var types []string
	for _, v := range c.Arguments[1:] {
		types = append(types, v.String())
	}
	rt.formats.byName[c.Arguments[0].String()] = types
	return goja.Undefined()
}

// provide calls the function for the format that the request wants.
func (w *worker) provide(a *answer) (goja.Value, error) {
	name, accept := "", ""
	if req, ok := a.req.(*goja.Object); ok {
		if query, ok := req.Get("query").(*goja.Object); ok {
			name = text(query.Get("format"))
		}
		if headers, ok := req.Get("headers").(*goja.Object); ok {
			accept = text(headers.Get("Accept"))
		}
	}
	switch {
	case name != "":
	case accept != "":
		name, a.kind = w.formats.best(a.formats, accept)
	default:
		name = a.formats[0].name
	}
	for _, f := range a.formats {
		if f.name == name {
			if types := w.formats.types(name); a.kind == "" && len(types) > 0 {
				a.kind = types[0]
			}
			return f.make(w.self)
		}
	}
	var have []string
	for i := range slices.Backward(a.formats) {
		have = append(have, w.formats.types(a.formats[i].name)...)
	}
	if accept == "" {
		accept = name
	}
	return nil, &Error{Kind: Named, Word: "not_acceptable",
		Reason: "Content-Type " + accept + " not supported, try one of: " + strings.Join(have, ", ")}
}

// best chooses a format by an Accept header: the one of highest quality, and the first of
// several.
func (f *formats) best(offered []format, accept string) (name, contentType string) {
	best := 0.0
	for _, o := range offered {
		for _, t := range f.types(o.name) {
			if q := quality(t, accept); q > best {
				best, name, contentType = q, o.name, t
			}
		}
	}
	return name, contentType
}

// quality is the value that an Accept header gives a media type by its most specific matching
// range; 0: not wanted.
func quality(contentType, accept string) float64 {
	media, _, _ := strings.Cut(contentType, ";")
	kind, _, _ := strings.Cut(strings.TrimSpace(media), "/")
	best, q := -1, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		fields := strings.Split(part, ";")
		wanted := strings.ToLower(strings.TrimSpace(fields[0]))
		fit := -1
		switch {
		case wanted == strings.TrimSpace(media):
			fit = 2
		case wanted == kind+"/*":
			fit = 1
		case wanted == "*/*" || wanted == "*":
			fit = 0
		}
		if fit <= best {
			continue
		}
		best, q = fit, 1
		for _, p := range fields[1:] {
			if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				if given, err := strconv.ParseFloat(v, 64); err == nil && given >= 0 && given <= 1 {
					q = given
				}
			}
		}
	}
	return q
}

var outsideType = reflect.TypeFor[*outside]()

// passed is an error from elsewhere that errorOf leaves alone.
type passed struct{ error }

func (p passed) Unwrap() error { return p.error }

func asException(err error) (*goja.Exception, bool) { return errors.AsType[*goja.Exception](err) }
