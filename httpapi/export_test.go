package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/tododb/tododb/httpapi/wire"
)

// Tests outside of the package need these parts of a server.

// Shared is what the server's rooms share.
func (s *Server) Shared() *wire.Shared { return s.shared }

// Inside is the server behind its front door. It answers users who are known already.
func (s *Server) Inside() http.Handler { return http.HandlerFunc(s.inside) }

// Handle puts a handler of a test on the server.
func (s *Server) Handle(path string, h wire.Handler) {
	rt := at(path, "", asks("", wire.Anyone, h))
	slow := s.router.slow()
	slow.add(slow.mux, path, &rt)
}

// Running is the number of requests that are being served.
func (s *Server) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// Foreseen is what the audit trail calls a request before its handler says more.
func (s *Server) Foreseen(r *http.Request) string {
	r = r.WithContext(s.shared.Begin(httptest.NewRecorder(), r).In(r.Context()))
	cleanPath(r)
	r, rt := s.find(r)
	return s.foreseen(r, rt)
}

// ToVhost gives a request the path that the rules of [vhosts] lead to.
func (s *Server) ToVhost(rules map[string]string, r *http.Request) (*http.Request, error) {
	return toVhost(readVhosts(rules), s.everywhere, r)
}

// Leads tells which line of the table the path of a request leads to and the parts that the line has names for: as
// the server finds them, and as mux does.
func (s *Server) Leads(r *http.Request) (found, byMux string) {
	show := func(find func(*http.Request, *wire.Place) *Route) string {
		var at wire.Place
		at.Values[0] = "of another line" // what does not count may be there
		rt := find(r, &at)
		var parts []string
		for i, name := range at.Names {
			parts = append(parts, fmt.Sprintf("%s=%q", name, at.Values[i]))
		}
		slices.Sort(parts)
		return fmt.Sprint(rt.Path, parts)
	}
	return show(s.router.find), show(s.router.findSlowly)
}
