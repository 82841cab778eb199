package query

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store/jsonscan"
	"github.com/tododb/tododb/store/script"
)

var (
	errNoRewrites    = wire.Errorf(http.StatusNotFound, "rewrite_error", "Invalid path.")
	errNoRule        = wire.Errorf(http.StatusNotFound, "not_found", "missing")
	errRewriteLoop   = wire.BadRequest("Exceeded rewrite recursion limit")
	errRewriteAbroad = wire.Errorf(http.StatusInternalServerError, "insecure_rewrite_rule", "A rewrite may not lead out of its database, unless [chttpd] secure_rewrites is false.")
)

// rewritesKey holds in a request's context how often it has been rewritten.
type rewritesKey struct{}

// Rewrite answers _design/D/_rewrite/PATH with the answer of another path. The rules or a function
// of the design document choose that path. It stays in the same database unless the settings
// allow others, because the request has all the rights of the user who sent it.
func (room *Room) Rewrite(w http.ResponseWriter, r *http.Request) error {
	w.Header()["Deprecation"] = []string{deprecation}
	count, _ := r.Context().Value(rewritesKey{}).(int)
	if count >= room.settings().rewriteLimit {
		return errRewriteLoop
	}
	r = r.WithContext(context.WithValue(r.Context(), rewritesKey{}, count+1))
	db, err := room.access.Open(r)
	if err != nil {
		return err
	}
	defer db.Release()
	ddoc, err := wire.Segment(r, "ddoc")
	if err != nil {
		return err
	}
	d, err := room.design(r.Context(), db, ddoc)
	if err != nil {
		return err
	}
	rules := d.Rewrites
	switch jsonscan.Kind(rules) {
	case '[':
	case '"':
		body, err := functionBody(w, r)
		if err != nil {
			return err
		}
		req, err := wire.FunctionRequest(r, db, nil, body)
		if err != nil {
			return err
		}
		result, err := d.Rewrite(r.Context(), req)
		if err != nil {
			return err
		}
		return room.rewriteAs(w, r, result, body)
	default:
		return errNoRewrites
	}
	query, err := wire.QueryOf(r)
	if err != nil {
		return err
	}
	asked, err := wire.Rest(r)
	if err != nil {
		return err
	}
	to, args, err := matchRules(rules, r.Method, asked, query)
	if err != nil {
		return err
	}
	return room.rewriteTo(w, r, to, args.Encode())
}

// rewriteTo serves a request at a path that is relative to the design document.
func (room *Room) rewriteTo(w http.ResponseWriter, r *http.Request, to, query string) error {
	db, _ := wire.Part(r, "db")
	ddoc, _ := wire.Part(r, "ddoc")
	root := "/" + db
	full := path.Join(root, "_design", ddoc, to)
	if full != root && !strings.HasPrefix(full, root+"/") && room.settings().secureRewrites {
		return errRewriteAbroad
	}
	next := *r
	u := *r.URL
	u.RawQuery = query
	next.URL = &u
	return room.reroute(w, &next, full)
}

// rewriteRule is one of the rules of a design document.
type rewriteRule struct {
	from, to, method string
	query            []byte // JSON object
	formats          []byte // JSON object
}

// matchRules finds the first rule that fits and gives the path that it leads to, escaped,
// and the query with it.
func matchRules(rules []byte, method string, asked []string, query wire.Params) (to string, args wire.Params, err error) {
	err = jsonscan.EachElement(rules, func(value []byte) error {
		rule := rewriteRule{query: wire.MemberOf(value, "query"), formats: wire.MemberOf(value, "formats")}
		for name, into := range map[string]*string{"from": &rule.from, "to": &rule.to, "method": &rule.method} {
			if *into, err = jsonscan.Text(wire.MemberOf(value, name)); err != nil {
				*into = "" // left out
			}
		}
		if rule.from == "" && wire.MemberOf(value, "from") == nil {
			rule.from = "*"
		}
		if rule.method != "" && rule.method != "*" && !strings.EqualFold(rule.method, method) {
			return nil
		}
		bound, rest, ok := bindPath(splitRule(rule.from), asked)
		if !ok {
			return nil
		}
		to, args = rule.apply(bound, rest, query)
		return errEnough
	})
	switch {
	case errors.Is(err, errEnough):
		return to, args, nil
	case err != nil:
		return "", args, err
	}
	return "", args, errNoRule
}

var errEnough = errors.New("enough")

// splitRule takes the path of a rule apart; empty segments do not count.
func splitRule(s string) []string {
	return slices.DeleteFunc(strings.Split(s, "/"), func(part string) bool { return part == "" })
}

// bindPath compares a path with a pattern. :name takes one segment, * takes the rest.
func bindPath(pattern, asked []string) (bound wire.Params, rest []string, ok bool) {
	asked = slices.DeleteFunc(slices.Clone(asked), func(part string) bool { return part == "" })
	for i, want := range pattern {
		if want == "*" {
			return bound, asked[i:], true
		}
		if i >= len(asked) {
			return bound, nil, false
		}
		if name, isName := strings.CutPrefix(want, ":"); isName {
			bound.List = append(bound.List, wire.Param{Name: name, Value: asked[i]})
		} else if want != asked[i] {
			return bound, nil, false
		}
	}
	return bound, nil, len(asked) == len(pattern)
}

// apply makes the path and query of a rule that fits. It adds what was bound and the request's
// query, except for names in the rule's own query.
func (rule *rewriteRule) apply(bound wire.Params, rest []string, query wire.Params) (to string, args wire.Params) {
	known := wire.Params{List: append(slices.Clone(query.List), bound.List...)}
	if jsonscan.Kind(rule.query) == '{' {
		_ = jsonscan.EachMember(rule.query, func(name, value []byte) error {
			args.List = append(args.List, wire.Param{Name: string(name), Value: rule.argument(string(name), value, known)})
			return nil
		})
	}
	for _, one := range known.List {
		if _, has := args.Get(one.Name); !has {
			args.List = append(args.List, one)
		}
	}
	var parts []string
	for _, part := range splitRule(rule.to) {
		if part == "*" {
			for _, one := range rest {
				parts = append(parts, wire.EscapeSegment(one))
			}
			continue
		}
		if name, isName := strings.CutPrefix(part, ":"); isName {
			if value, has := known.Get(name); has {
				part = wire.EscapeSegment(value)
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "/"), args
}

// jsonParameters are the parameters of views whose values are JSON.
var jsonParameters = map[string]bool{"key": true, "keys": true, "startkey": true, "start_key": true, "endkey": true, "end_key": true}

// argument returns the value of a parameter in a rule's query. A text that begins with a colon
// stands for what was bound to that name, also inside an array or an object.
func (rule *rewriteRule) argument(name string, value []byte, known wire.Params) string {
	text, err := jsonscan.Text(value)
	if err != nil {
		return string(rule.substitute(nil, value, known))
	}
	if variable, isName := strings.CutPrefix(text, ":"); isName {
		if v, has := known.Get(variable); has {
			text = v
		}
		if rule.isInt(variable) {
			return text
		}
	}
	if jsonParameters[name] {
		return string(wire.AppendString(nil, text))
	}
	return text
}

// isInt tells whether the rule wants a variable to be a number.
func (rule *rewriteRule) isInt(variable string) bool {
	format, err := jsonscan.Text(wire.MemberOf(rule.formats, variable))
	return err == nil && format == "int"
}

// substitute appends JSON in which values replace the texts that name a bound variable.
func (rule *rewriteRule) substitute(b, value []byte, known wire.Params) []byte {
	switch jsonscan.Kind(value) {
	case '[':
		b = append(b, '[')
		first := true
		_ = jsonscan.EachElement(value, func(v []byte) error {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = rule.substitute(b, v, known)
			return nil
		})
		return append(b, ']')
	case '{':
		b = append(b, '{')
		first := true
		_ = jsonscan.EachMember(value, func(name, v []byte) error {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(jsonscan.AppendString(b, name), ':')
			b = rule.substitute(b, v, known)
			return nil
		})
		return append(b, '}')
	}
	text, err := jsonscan.Text(value)
	variable, isName := strings.CutPrefix(text, ":")
	v, has := known.Get(variable)
	switch {
	case err != nil || !isName || !has:
		return append(b, value...)
	case rule.isInt(variable):
		if _, err := strconv.Atoi(v); err == nil {
			return append(b, v...)
		}
	}
	return wire.AppendString(b, v)
}

// rewriteAs serves a request as a design document's function wants: at a path, or as an object
// says. The object may also be the answer itself.
func (room *Room) rewriteAs(w http.ResponseWriter, r *http.Request, result, body []byte) error {
	if to, err := jsonscan.Text(result); err == nil {
		return room.rewriteWith(w, r, to, body)
	}
	if jsonscan.Kind(result) != '{' {
		return wire.Errorf(http.StatusInternalServerError, "rewrite_error", "bad rewrite")
	}
	if given, err := jsonscan.Text(wire.MemberOf(result, "body")); err == nil {
		body = []byte(given)
	}
	to, err := jsonscan.Text(wire.MemberOf(result, "path"))
	if err != nil { // an answer
		return answerRewrite(w, r, result, body)
	}
	next := r.Clone(r.Context())
	if method, err := jsonscan.Text(wire.MemberOf(result, "method")); err == nil {
		next.Method = method
	}
	if err := eachHeader(result, next.Header.Set); err != nil {
		return err
	}
	if query := wire.MemberOf(result, "query"); jsonscan.Kind(query) == '{' {
		var args wire.Params
		err := jsonscan.EachMember(query, func(name, value []byte) error {
			text, err := jsonscan.Text(value)
			if err != nil {
				text = string(value)
			}
			args.List = append(args.List, wire.Param{Name: string(name), Value: text})
			return nil
		})
		if err != nil {
			return err
		}
		to, _, _ = strings.Cut(to, "?")
		to += "?" + args.Encode()
	}
	return room.rewriteWith(w, next, to, body)
}

// rewriteWith serves a request at a path with its query, and with a body.
func (room *Room) rewriteWith(w http.ResponseWriter, r *http.Request, to string, body []byte) error {
	to, query, has := strings.Cut(to, "?")
	if !has {
		query = r.URL.RawQuery
	}
	next := r.Clone(r.Context())
	next.Body, next.ContentLength = http.NoBody, 0
	if body != nil {
		next.Body, next.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
		next.Header.Del("Content-Encoding") // it has been unpacked
	}
	return room.rewriteTo(w, next, to, query)
}

func eachHeader(result []byte, set func(name, value string)) error {
	headers := wire.MemberOf(result, "headers")
	if jsonscan.Kind(headers) != '{' {
		return nil
	}
	return jsonscan.EachMember(headers, func(name, value []byte) error {
		if text, err := jsonscan.Text(value); err == nil {
			set(string(name), text)
		}
		return nil
	})
}

func answerRewrite(w http.ResponseWriter, r *http.Request, result, body []byte) error {
	resp := script.Response{Code: http.StatusOK, Body: body}
	if code := wire.MemberOf(result, "code"); code != nil {
		n, err := strconv.Atoi(string(code))
		if err != nil {
			return wire.Errorf(http.StatusInternalServerError, "rewrite_error", "bad code")
		}
		resp.Code = n
	}
	err := eachHeader(result, func(name, value string) { resp.Headers = append(resp.Headers, script.Header{Name: name, Value: value}) })
	if err != nil {
		return err
	}
	return sendResponse(w, r, &resp, http.StatusOK)
}
