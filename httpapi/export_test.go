package httpapi

import (
	"net/http"
	"net/http/httptest"

	"github.com/gorilla/mux"

	"github.com/tododb/tododb/httpapi/wire"
)

// Tests outside of the package need these parts of a server.

// Shared is what the server's rooms share.
func (s *Server) Shared() *wire.Shared { return s.shared }

// Inside is the server behind its front door. It answers users who are known already.
func (s *Server) Inside() http.Handler { return s.router }

// Handle puts a handler of a test on the server.
func (s *Server) Handle(path string, h wire.Handler) {
	rt := at(path, "", asks("", wire.Anyone, h))
	s.router.Handle(path, line{s, &rt})
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
	var found mux.RouteMatch
	s.router.Match(r, &found)
	return s.foreseen(mux.SetURLVars(r, found.Vars), found.Handler)
}

// ToVhost gives a request the path that the rules of [vhosts] lead to.
func (s *Server) ToVhost(rules map[string]string, r *http.Request) (*http.Request, error) {
	return toVhost(readVhosts(rules), s.everywhere, r)
}
