package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// requireJSON refuses a body that does not say that it is JSON, as CouchDB does on
// POST: a web page can post other types across origins without asking.
func requireJSON(r *http.Request) error {
	if isType(r.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	return errorf(http.StatusUnsupportedMediaType, "bad_content_type", "Content-Type must be application/json")
}

// isType compares a Content-Type, whatever its parameters, with a media type.
func isType(header, media string) bool {
	kind, _, _ := strings.Cut(header, ";")
	return strings.EqualFold(strings.TrimSpace(kind), media)
}

// params are the parameters of a query in the order in which they came. A semicolon
// separates them like an ampersand; of a repeated one the last counts.
type params struct{ list []param }

type param struct{ name, value string }

// queryOf parses the query of a request.
func queryOf(r *http.Request) (params, error) { return parseQuery(r.URL.RawQuery) }

func parseQuery(query string) (params, error) {
	var p params
	for query != "" {
		var part string
		if i := strings.IndexAny(query, "&;"); i >= 0 {
			part, query = query[:i], query[i+1:]
		} else {
			part, query = query, ""
		}
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return params{}, errURLEncoding
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return params{}, errURLEncoding
		}
		p.list = append(p.list, param{name, value})
	}
	return p, nil
}

var errURLEncoding = badRequest("invalid_url_encoding")

// get returns the value that counts.
func (p params) get(name string) (value string, ok bool) {
	for i := len(p.list) - 1; i >= 0; i-- {
		if p.list[i].name == name {
			return p.list[i].value, true
		}
	}
	return "", false
}

// is tells whether a parameter is "true".
func (p params) is(name string) bool {
	value, _ := p.get(name)
	return value == "true"
}

// each goes through all of them in order, until fn gives an error.
func (p params) each(fn func(name, value string) error) error {
	for _, one := range p.list {
		if err := fn(one.name, one.value); err != nil {
			return err
		}
	}
	return nil
}

func queryError(format string, args ...any) error {
	return errorf(http.StatusBadRequest, "query_parse_error", format, args...)
}

// parseBool reads a boolean where CouchDB insists on one.
func parseBool(value string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, queryError("Invalid boolean parameter: %s", erlangString(value))
}

// parsePositive reads a number from 0 where CouchDB insists on one.
func parsePositive(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, queryError("Invalid value for integer: %s", erlangString(value))
	}
	if n < 0 {
		return 0, queryError("Invalid value for positive integer: %s", erlangString(value))
	}
	return n, nil
}

// erlangString shows a text as CouchDB does in these reasons: an empty one is a list.
func erlangString(s string) string {
	if s == "" {
		return "[]"
	}
	return fmt.Sprintf("%q", s)
}

// byName gives the value that counts of each parameter.
func (p params) byName() map[string]string {
	out := make(map[string]string, len(p.list))
	for _, one := range p.list {
		out[one.name] = one.value
	}
	return out
}

// encode writes parameters as a query.
func (p params) encode() string {
	var b strings.Builder
	for i, one := range p.list {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(one.name) + "=" + url.QueryEscape(one.value))
	}
	return b.String()
}
