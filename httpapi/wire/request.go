package wire

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// RequireJSON refuses a body that does not say that it is JSON, as CouchDB does on POST. Web
// pages can post other types across origins without asking.
func RequireJSON(r *http.Request) error {
	if IsType(r.Header.Get("Content-Type"), "application/json") {
		return nil
	}
	return Errorf(http.StatusUnsupportedMediaType, "bad_content_type", "Content-Type must be application/json")
}

// IsType tells whether a Content-Type has a media type, with any parameters.
func IsType(header, media string) bool {
	kind, _, _ := strings.Cut(header, ";")
	return strings.EqualFold(strings.TrimSpace(kind), media)
}

// Params are the parameters of a query in their order. Semicolons separate them as ampersands
// do. If one is repeated, the last counts.
type Params struct{ List []Param }

type Param struct{ Name, Value string }

// QueryOf parses the query of a request.
func QueryOf(r *http.Request) (Params, error) { return ParseQuery(r.URL.RawQuery) }

func ParseQuery(query string) (Params, error) {
	var p Params
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
			return Params{}, ErrURLEncoding
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return Params{}, ErrURLEncoding
		}
		p.List = append(p.List, Param{name, value})
	}
	return p, nil
}

var ErrURLEncoding = BadRequest("invalid_url_encoding")

// Get returns the value of a parameter.
func (p Params) Get(name string) (value string, ok bool) {
	for i := len(p.List) - 1; i >= 0; i-- {
		if p.List[i].Name == name {
			return p.List[i].Value, true
		}
	}
	return "", false
}

// Is tells whether a parameter is "true".
func (p Params) Is(name string) bool {
	value, _ := p.Get(name)
	return value == "true"
}

// Each calls fn for all parameters in order, until it returns an error.
func (p Params) Each(fn func(name, value string) error) error {
	for _, one := range p.List {
		if err := fn(one.Name, one.Value); err != nil {
			return err
		}
	}
	return nil
}

func QueryError(format string, args ...any) error {
	return Errorf(http.StatusBadRequest, "query_parse_error", format, args...)
}

// ParseBool reads a boolean where CouchDB insists on one.
func ParseBool(value string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, QueryError("Invalid boolean parameter: %s", ErlangString(value))
}

// MaxInteger is the greatest number that ParseInteger returns. Two of them can be added.
const MaxInteger = math.MaxInt / 4

// ParseInteger reads a whole number of any size; one that is too large or too small is cut to
// MaxInteger or -MaxInteger.
func ParseInteger(value string) (n int, ok bool) {
	n, err := strconv.Atoi(value)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return max(min(n, MaxInteger), -MaxInteger), true
}

// ParsePositive reads a number from 0 up where CouchDB insists on one.
func ParsePositive(value string) (int, error) {
	n, ok := ParseInteger(value)
	if !ok {
		return 0, QueryError("Invalid value for integer: %s", ErlangString(value))
	}
	if n < 0 {
		return 0, QueryError("Invalid value for positive integer: %s", ErlangString(value))
	}
	return n, nil
}

// ErlangString shows a text as CouchDB does in these reasons. An empty one is a list.
func ErlangString(s string) string {
	if s == "" {
		return "[]"
	}
	return fmt.Sprintf("%q", s)
}

// ByName returns the value of each parameter.
func (p Params) ByName() map[string]string {
	out := make(map[string]string, len(p.List))
	for _, one := range p.List {
		out[one.Name] = one.Value
	}
	return out
}

// Encode writes parameters as a query.
func (p Params) Encode() string {
	var b strings.Builder
	for i, one := range p.List {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(one.Name) + "=" + url.QueryEscape(one.Value))
	}
	return b.String()
}
