package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS says which web pages of other origins may use the API from a browser; it is
// what PouchDB in a page needs. The zero value lets none, as CouchDB does: a page that
// may ask with credentials acts in the name of whoever looks at it, so the operator
// names the origins.
type CORS struct {
	Enabled     bool          // [chttpd] enable_cors
	Origins     []string      // exact origins as the browser sends them, or "*"
	Credentials bool          // cookies and Authorization; PouchDB asks for it on every request
	Headers     []string      // request headers beside those that the API has a use for
	Methods     []string      // none: all that the API has
	MaxAge      time.Duration // for which a browser may remember a preflight (10 minutes)
}

// corsHeaders are the request headers that the API has a use for.
var corsHeaders = []string{
	"accept", "accept-language", "authorization", "content-encoding", "content-language", "content-type", "destination",
	"if-match", "if-none-match", "last-event-id", "origin", "pragma", "range", "referer", "x-couch-full-commit",
	"x-couch-id", "x-couch-persist", "x-couchdb-www-authenticate", "x-http-method-override", "x-requested-with",
}

// corsExposed are the answer headers that a page may read beside those it always may.
var corsExposed = []string{strings.Join([]string{
	"accept-ranges", "cache-control", "content-encoding", "content-length", "content-range", "content-type", "etag",
	"location", "server", "x-couch-id", "x-couch-request-id", "x-couch-update-newrev",
}, ", ")}

var corsMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "COPY", "OPTIONS"}

// cors is the policy with its headers ready made; nil lets nobody.
type cors struct {
	CORS
	any     bool
	methods string
	maxAge  []string
}

func newCORS(c CORS) *cors {
	if !c.Enabled || len(c.Origins) == 0 {
		return nil
	}
	if len(c.Methods) == 0 {
		c.Methods = corsMethods
	}
	if c.MaxAge <= 0 {
		c.MaxAge = 10 * time.Minute
	}
	ready := &cors{CORS: c, any: slices.Contains(c.Origins, "*"), methods: strings.Join(c.Methods, ", ")}
	ready.Headers = slices.Clone(corsHeaders)
	for _, name := range c.Headers {
		ready.Headers = append(ready.Headers, strings.ToLower(name))
	}
	ready.maxAge = []string{strconv.Itoa(int(c.MaxAge / time.Second))}
	return ready
}

// handle puts the headers on an answer, errors too, before it is known. It answers a
// preflight itself: that comes without credentials.
func (c *cors) handle(w http.ResponseWriter, r *http.Request) (done bool) {
	if c == nil {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin") // also without one: a cache must not give this answer to a page
	origin := r.Header["Origin"]
	if len(origin) != 1 || !c.any && !slices.Contains(c.Origins, origin[0]) {
		return false
	}
	// Never "*": browsers do not take it together with credentials.
	h["Access-Control-Allow-Origin"] = origin
	if c.Credentials {
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

// allowed is which of the headers that a page asks for it may send.
func (c *cors) allowed(asked string) string {
	var list []string
	for name := range strings.SplitSeq(asked, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if slices.Contains(c.Headers, name) {
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}
