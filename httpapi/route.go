package httpapi

import (
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
)

// Route is one line of the table of routes.
type Route struct {
	Path  string // as people write it: /{db}/_changes; dots at its end stand for whatever follows
	Allow string // the methods in the words of the header; "": whatever the method, the handler judges it
	Verbs []Verb // what the methods do; HEAD is GET unless it is there itself

	// first checks the rule before the method, and then calls check. So users without the right
	// learn nothing about the path.
	first bool
	check func(*http.Request) error
}

// Verb is what one method, or several, do at a path.
type Verb struct {
	Methods string    // "GET,POST"; "": all
	Action  string    // what the audit trail calls it; "": it changes nothing that the trail tells of
	Rule    wire.Rule // who may
	serve   wire.Handler
}

// Routes is the table of routes.
func (s *Server) Routes() []Route { return s.routes }

func at(path, allow string, verbs ...Verb) Route {
	return Route{Path: path, Allow: allow, Verbs: verbs}
}

// asks makes a verb that changes nothing, whatever its method. Without methods the handler
// judges them itself.
func asks(methods string, rule wire.Rule, h wire.Handler) Verb {
	return Verb{Methods: methods, Rule: rule, serve: h}
}

// does makes a verb that changes something when the method is not one that only reads.
// Without methods the handler judges them itself.
func does(methods, action string, rule wire.Rule, h wire.Handler) Verb {
	return Verb{Methods: methods, Action: action, Rule: rule, serve: h}
}

// first makes a route whose rule is judged before its method; check, if not nil, is judged
// between them.
func first(check func(*http.Request) error, r Route) Route {
	r.first, r.check = true, check
	return r
}

// verb finds what a method does; nil for a method that is not there.
func (rt *Route) verb(method string) *Verb {
	var get *Verb
	for i := range rt.Verbs {
		v := &rt.Verbs[i]
		switch {
		case v.Methods == "" || v.has(method):
			return v
		case method == http.MethodHead && v.has(http.MethodGet):
			get = v
		}
	}
	return get
}

func (v *Verb) has(method string) bool {
	for one := range strings.SplitSeq(v.Methods, ",") {
		if one == method {
			return true
		}
	}
	return false
}

// line is a line of the table as an http.Handler.
type line struct {
	s  *Server
	rt *Route
}

func (l line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := l.s.answer(l.rt, w, r); err != nil {
		wire.Fail(w, r, err)
	}
}

func (s *Server) answer(rt *Route, w http.ResponseWriter, r *http.Request) error {
	v := rt.verb(r.Method)
	wire.ExchangeOf(r).Action = actionOf(v, r)
	if rt.first {
		if err := s.access.Admit(r, rt.Verbs[0].Rule); err != nil {
			return err
		}
		if rt.check != nil {
			if err := rt.check(r); err != nil {
				return err
			}
		}
	}
	if v == nil {
		w.Header().Set("Allow", rt.Allow)
		return wire.Errorf(http.StatusMethodNotAllowed, "method_not_allowed", "Only %s allowed", rt.Allow)
	}
	if err := s.access.Admit(r, v.Rule); err != nil {
		return err
	}
	return v.serve(w, r)
}

// template is a path of the table in the words of the router. The path of a request reaches
// it escaped, cleared of doubled and trailing slashes; segment unescapes a part of it.
func template(path string) string {
	path, open := strings.CutSuffix(path, "...")
	if db, below, is := strings.Cut(path, "/{db}"); is && db == "" {
		below = strings.Replace(below, "/{doc}/{att}", "/{doc}/{att:.+}", 1)
		if strings.HasPrefix(below, "/{doc}") {
			below = strings.Replace(below, "{doc}", "{doc:[^_/][^/]*}", 1)
		}
		if strings.HasPrefix(below, "/{name}") {
			below = strings.Replace(below, "{name}", "{name:_[^/]*}", 1)
		}
		path = "/{db:[^_/][^/]*|_users|_replicator|_global_changes}" + below
	}
	if path == "{att}" { // of a design document
		path = "{att:.+}"
	}
	if open {
		path += "{rest:(?:/.*)?}"
	}
	return path
}
