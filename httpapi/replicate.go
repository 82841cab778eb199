package httpapi

import (
	"context"
	"net/http"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/replicate"
)

// Replicator runs replications; *replicate.Manager is one.
type Replicator interface {
	Scheduler
	// Replicate does what a POST to /_replicate asks for. The request is its JSON
	// object. It returns the JSON to answer with: when a one-time replication is
	// done or a cancelled one has stopped, and at once, with started, for a
	// continuous one. The user is the one who asks, and for whom databases of this
	// server are opened (OpenFor). Ending ctx ends a one-time one.
	Replicate(ctx context.Context, request []byte, user replicate.User) (answer []byte, started bool, err error)
	// Tasks are the replications that are going on, as _active_tasks shows them.
	Tasks() [][]byte
}

// replicate answers POST /_replicate. As in CouchDB any user may replicate, with the
// credentials he has for the two sides. Other methods are asked for a body first, and
// those that can have none are told that it is missing.
func (s *Server) replicate(w http.ResponseWriter, r *http.Request) error {
	user := s.user(r)
	if user.Anonymous() {
		return errorf(http.StatusUnauthorized, "unauthorized", "You are not an authenticated user")
	}
	if user.Device != nil {
		return errScopePath // what it starts would have all the rights of the token's owner
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodDelete {
		return badRequest("Missing request body")
	}
	if r.Method == http.MethodPost {
		if err := requireJSON(r); err != nil {
			return err
		}
	}
	body, err := s.readKeptBody(w, r)
	if err != nil {
		return err
	}
	if _, err := jsonObject(body); err != nil {
		return err
	}
	if r.Method != http.MethodPost {
		return errorf(http.StatusMethodNotAllowed, "method_not_allowed", "Only POST allowed")
	}
	if s.opt.Replicator == nil {
		return errNotBuilt
	}
	s.noteReplication(r, body)
	by, err := s.replicationUser(r.Context(), user)
	if err != nil {
		return err
	}
	answer, started, err := s.opt.Replicator.Replicate(r.Context(), body, by)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if started {
		status = http.StatusAccepted
	}
	return writeJSON(w, r, status, answer)
}

// As serves requests as if a user had sent them with credentials that hold. It is for
// this process: replications whose source is here have it run filter functions. It goes
// on after Close, so that they can still write down how far they have come.
func (s *Server) As(u replicate.User) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{ResponseWriter: w, conn: http.NewResponseController(w), id: newRequestID()}
		r = r.WithContext(x.in(r.Context()))
		defer s.recover(x, r)
		var err error
		if x.user, err = s.userOf(r.Context(), u); err != nil {
			s.fail(x, r, err)
			return
		}
		s.router.ServeHTTP(x, r)
	})
}

// replicationUser is for whom a replication works that a user has asked for.
func (s *Server) replicationUser(ctx context.Context, u auth.User) (by replicate.User, err error) {
	by = replicate.User{Name: u.Name, Roles: u.Roles, Admin: u.Admin, Account: u.By == auth.ByBasic || u.By == auth.ByCookie}
	if by.Account {
		by.Mark, err = s.auth.Mark(ctx, u.Name)
	}
	return by, err
}

// Allowed tells whether a user may still have the replications that he has asked for:
// replicate.ErrUnauthorized, or ErrForbidden where he is no administrator any more, and may
// not connect to everywhere. It is replicate.Options.Allowed.
func (s *Server) Allowed(ctx context.Context, u replicate.User) error {
	now, err := s.userOf(ctx, u)
	switch {
	case err == errAnonymousDB:
		return replicate.ErrUnauthorized
	case err == nil && u.Admin && !now.Admin:
		return replicate.ErrForbidden
	}
	return err
}

// userOf is the user for whom a replication works, with the rights that he has now:
// errAnonymousDB if he is none any more, also where somebody else has his name, or he another
// password.
func (s *Server) userOf(ctx context.Context, u replicate.User) (auth.User, error) {
	user := auth.User{Name: u.Name, Roles: u.Roles, Admin: u.Admin}
	if u.Account {
		now, there, err := s.auth.Present(ctx, u.Name, u.Mark)
		if err == nil && !there {
			err = errAnonymousDB
		}
		if err != nil {
			return auth.User{}, err
		}
		user = now
	}
	user.By = "internal"
	return user, nil
}
