package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
)

// corsHeaders are the request headers that the API uses.
var corsHeaders = []string{
	"accept", "accept-language", "authorization", "content-encoding", "content-language", "content-type", "destination",
	"idempotency-key", "if-match", "if-none-match", "if-range", "if-user", "last-event-id", "origin", "pragma", "prefer", "range", "referer", "x-couch-full-commit",
	"x-couch-id", "x-couch-persist", "x-couchdb-www-authenticate", "x-http-method-override", "x-requested-with",
}

// corsExposed are the answer headers that a page may read, in addition to the ones that every
// page may.
var corsExposed = []string{strings.Join([]string{
	"accept-ranges", "cache-control", "content-encoding", "content-length", "content-range", "content-type", "etag",
	"idempotency-replayed", "last-modified", "location", "preference-applied", "server", "x-couch-id", "x-couch-request-id", "x-couch-update-newrev",
}, ", ")}

var corsMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "COPY", "OPTIONS"}

// cors says which web pages of other origins may use the API from a browser, as PouchDB in a
// page does. Its headers are ready-made. nil allows none, as in CouchDB: a page that may send
// credentials has the rights of the person who looks at it, so the operator must name the
// origins.
type cors struct {
	origins     []string // exact origins as the browser sends them
	any         bool
	credentials bool     // cookies and Authorization; PouchDB asks for it on every request
	headers     []string // a page may send these
	methods     string
	maxAge      []string
}

// corsOfHosts has the cors of each virtual host.
type corsOfHosts struct {
	all  *cors
	some map[string]*cors // hosts with a section of their own, in lower case and without a port
}

func newCORS(c *config.Config) *corsOfHosts {
	hosts := &corsOfHosts{all: readCORS(c, "cors"), some: map[string]*cors{}}
	for host, section := range c.CORSHosts() {
		hosts.some[host] = readCORS(c, section)
	}
	return hosts
}

// of returns the cors that applies to a request.
func (c *corsOfHosts) of(r *http.Request) *cors {
	switch {
	case c == nil:
		return nil
	case len(c.some) == 0:
		return c.all
	}
	labels, _ := splitHost(wire.Host(r))
	slices.Reverse(labels)
	if one, has := c.some[strings.Join(labels, ".")]; has {
		return one
	}
	return c.all
}

func readCORS(c *config.Config, section string) *cors {
	ready := &cors{
		origins: c.List(section, "origins"), credentials: c.Bool(section, "credentials"), headers: slices.Clone(corsHeaders),
		maxAge: []string{c.String(section, "max_age")},
	}
	if len(ready.origins) == 0 {
		return nil
	}
	ready.any = slices.Contains(ready.origins, "*")
	methods := c.List(section, "methods")
	if len(methods) == 0 {
		methods = corsMethods
	}
	ready.methods = strings.Join(methods, ", ")
	for _, name := range c.List(section, "headers") {
		ready.headers = append(ready.headers, strings.ToLower(name))
	}
	return ready
}

// handle sets the headers of every answer, even of an error. It answers a preflight request
// itself, which comes without credentials.
func (c *cors) handle(w http.ResponseWriter, r *http.Request) (done bool) {
	if c == nil {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin") // even to a request without Origin: a cache must not give this answer to a page
	origin := r.Header["Origin"]
	if len(origin) != 1 || !c.any && !slices.Contains(c.origins, origin[0]) {
		return false
	}
	// Never "*": browsers do not take it together with credentials.
	h["Access-Control-Allow-Origin"] = origin
	if c.credentials {
		h["Access-Control-Allow-Credentials"] = corsTrue
	}
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		h["Access-Control-Expose-Headers"] = corsExposed
		return false
	}
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", c.methods)
	h["Access-Control-Max-Age"] = c.maxAge
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", c.allowed(asked))
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

var corsTrue = []string{"true"}

// allowed returns the headers that a page may send, of those in asked.
func (c *cors) allowed(asked string) string {
	var list []string
	for name := range strings.SplitSeq(asked, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(c.headers, name) {
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}
