package httpapi

import (
	"net/http"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
)

// As serves requests as if a user had sent them with credentials that hold. It is for
// this process: replications whose source is here have it run filter functions. It goes
// on after Close, so that they can still write down how far they have come.
func (s *Server) As(u replicate.User) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := s.shared.BeginInner(w)
		r = r.WithContext(x.In(r.Context()))
		defer x.Recover(r)
		var err error
		if x.User, err = s.access.UserOf(r.Context(), u); err != nil {
			wire.Fail(x, r, err)
			return
		}
		s.router.ServeHTTP(x, r)
	})
}

// Access knows who asks and what they may: replications ask it too.
func (s *Server) Access() *access.Access { return s.access }
