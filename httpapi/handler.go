package httpapi

import (
	"net/http"
	"strings"
)

// handler answers a request or returns the error to answer it with. A handler that
// has written to w and then fails returns errCut, or any error: the wrapper sees that
// the answer has begun and cuts the connection.
type handler func(w http.ResponseWriter, r *http.Request) error

// methods is what a path can do, by HTTP method. GET also serves HEAD unless HEAD is
// there itself. Any other method is a 405 that names Allow.
type methods struct {
	Allow string // as CouchDB spells it in the header: "GET,HEAD"
	By    map[string]handler
}

// get returns the handler of a method.
func (m methods) get(method string) (handler, bool) {
	h, ok := m.By[method]
	if !ok && method == http.MethodHead {
		h, ok = m.By[http.MethodGet]
	}
	return h, ok
}

// on builds a methods value: on("GET,HEAD", "GET", s.welcome, ...).
func on(allow string, pairs ...any) methods {
	m := methods{Allow: allow, By: map[string]handler{}}
	for i := 0; i < len(pairs); i += 2 {
		for _, name := range strings.Split(pairs[i].(string), ",") {
			m.By[name] = pairs[i+1].(func(http.ResponseWriter, *http.Request) error)
		}
	}
	return m
}

// handle turns a path's methods into an http.Handler.
func (s *Server) handle(m methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ok := m.get(r.Method)
		if !ok {
			w.Header().Set("Allow", m.Allow)
			s.fail(w, r, errorf(http.StatusMethodNotAllowed, "method_not_allowed", "Only %s allowed", m.Allow))
			return
		}
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}
