package httpapi

import (
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/wire"
)

// Route is one line of the table of routes.
type Route struct {
	Path  string // as people write it: /{db}/_changes; dots at its end stand for any rest
	Allow string // the methods as in the header; "": the handler judges the method
	Verbs []Verb // what the methods do; HEAD is GET unless it is there itself

	check func(*http.Request) error // runs after the rule and before the method is judged; nil: nothing runs

	everyHost bool // this first segment means the same on every virtual host
	always    bool // [chttpd] max_uri_length cannot shut it out
}

// Verb is what one method, or several, do at a path.
type Verb struct {
	Methods string     // "GET,POST"; "": all others
	Action  string     // what the audit trail calls it; "": it changes nothing that the trail records
	Rule    wire.Rule  // who may
	Tokens  wire.Scope // which tokens of devices may
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

// tokens opens a verb to tokens of devices.
func (v Verb) tokens(which wire.Scope) Verb {
	v.Tokens = which
	return v
}

// first makes a route with a check that comes before its methods.
func first(check func(*http.Request) error, r Route) Route {
	r.check = check
	return r
}

// everyHost makes a route whose first segment means the same on every virtual host.
func everyHost(r Route) Route {
	r.everyHost = true
	return r
}

// always makes a route that [chttpd] max_uri_length cannot shut out, so that it can be changed
// back over HTTP.
func always(r Route) Route {
	r.always = true
	return r
}

// verb finds what a method does; nil for a method that is not there.
func (rt *Route) verb(method string) *Verb {
	var other *Verb
	for i := range rt.Verbs {
		v := &rt.Verbs[i]
		switch {
		case v.has(method):
			return v
		case other == nil && (v.Methods == "" || method == http.MethodHead && v.has(http.MethodGet)):
			other = v
		}
	}
	return other
}

// rights returns who may use a verb. If the line does not have the method, the rule of its first
// verb applies, and no token is allowed.
func (rt *Route) rights(v *Verb) (wire.Rule, wire.Scope) {
	switch {
	case v != nil:
		return v.Rule, v.Tokens
	case len(rt.Verbs) > 0:
		return rt.Verbs[0].Rule, wire.NoToken
	}
	return member, wire.NoToken // only lines in databases have no verbs
}

func (v *Verb) has(method string) bool {
	for one := range strings.SplitSeq(v.Methods, ",") {
		if one == method {
			return true
		}
	}
	return false
}

func (s *Server) answer(rt *Route, w http.ResponseWriter, r *http.Request) error {
	v := rt.verb(r.Method)
	wire.ExchangeOf(r).Action = actionOf(v, r)
	rule, tokens := rt.rights(v)
	if err := s.access.Admit(r, rule, tokens); err != nil {
		return err
	}
	if rt.check != nil {
		if err := rt.check(r); err != nil {
			return err
		}
	}
	if v == nil {
		return s.notAllowed(rt, w, r)
	}
	return v.serve(w, r)
}

// notAllowed answers a method that a path does not have. As in CouchDB, an answer that the
// database is missing comes first, and so does one about a function's design document.
func (s *Server) notAllowed(rt *Route, w http.ResponseWriter, r *http.Request) error {
	if strings.HasPrefix(rt.Path, "/{db}") {
		db, err := s.access.Open(r)
		if err != nil {
			return err
		}
		defer db.Release()
		if below, is := strings.CutPrefix(rt.Path, belowDesign); is && below[0] == '_' {
			name, err := wire.Segment(r, "ddoc")
			if err != nil {
				return err
			}
			if _, err := s.designs.Find(r.Context(), db, "_design/"+name); err != nil {
				return err
			}
		}
	}
	return wire.NotAllowed(w, rt.Allow)
}
