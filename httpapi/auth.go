package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/store"
)

// access is what a request wants of a database.
type access int

const (
	reader  access = iota // read, and write documents other than design documents
	dbAdmin               // administer it: design documents, security, compaction
)

var (
	errValidUser      = errorf(http.StatusUnauthorized, "unauthorized", "Authentication required.")
	errNotServerAdmin = errorf(http.StatusUnauthorized, "unauthorized", "You are not a server admin.")
	errAnonymousDB    = errorf(http.StatusUnauthorized, "unauthorized", "You are not authorized to access this db.")
	errUserDB         = errorf(http.StatusForbidden, "forbidden", "You are not allowed to access this db.")
	errAnonymousAdmin = errorf(http.StatusUnauthorized, "unauthorized", "You are not a db or server admin.")
	errUserAdmin      = errorf(http.StatusForbidden, "forbidden", "You are not a db or server admin.")
)

// letIn judges a request before any route does: whether anonymous ones are answered at
// all, and what the token of a device allows.
func (s *Server) letIn(r *http.Request, set *inForce, user auth.User) error {
	if user.Device != nil {
		return checkScope(user.Device, r)
	}
	if !user.Anonymous() || !set.validUser && !set.validExceptUp {
		return nil
	}
	switch path := r.URL.Path; {
	case path == "/_session": // to prove who one is
		return nil
	case (path == "/_up" || strings.HasPrefix(path, "/_up/")) && set.validExceptUp:
		return nil
	}
	return errValidUser
}

// user tells who asks.
func (s *Server) user(r *http.Request) auth.User {
	if x := exchangeOf(r); x != nil {
		return x.user
	}
	return auth.User{}
}

// requireAdmin lets only administrators of the server through. As in CouchDB a known
// user gets the same 401 as an anonymous one.
func (s *Server) requireAdmin(r *http.Request) error {
	if s.user(r).Admin {
		return nil
	}
	return errNotServerAdmin
}

// openDB opens the database that the path names for what the request wants of it; the
// caller releases it. As in CouchDB, that there is none is told to anybody. The handle
// shows and takes what the user may see and write: see systemDB.
func (s *Server) openDB(r *http.Request, want access) (*store.DB, error) {
	name, err := segment(r, "db")
	if err != nil {
		return nil, err
	}
	return s.open(r.Context(), name, s.user(r), want)
}

// openToEdit opens the database that the path names for a request that writes one document
// of it. What of the document may be written is told by the handle; that no edit of it will
// do is told here, before the request is looked at any further.
func (s *Server) openToEdit(r *http.Request, id string) (*store.DB, error) {
	db, err := s.openDB(r, reader)
	if err != nil {
		return nil, err
	}
	if err := db.MayEdit(r.Context(), id); err != nil {
		db.Release()
		return nil, err
	}
	return db, nil
}

// authorize judges by the database's security object what a user may do.
func authorize(ctx context.Context, db store.Opening, user auth.User, want access) error {
	if user.Admin {
		return nil
	}
	raw, err := db.Security(ctx)
	if err != nil {
		return err
	}
	return judge(raw, user, want)
}

// administers tells by a security object whether a user administers a database
// (store.Guard); nil for who administers all.
func administers(user auth.User) func(security []byte) error {
	if user.Admin {
		return nil
	}
	return func(security []byte) error { return judge(security, user, dbAdmin) }
}

// judge tells by a security object, as it was set, what a user who does not administer the
// server may do.
func judge(raw []byte, user auth.User, want access) error {
	security := auth.ParseSecurity(raw)
	switch {
	case user.Device != nil && want != reader:
		return errUserAdmin
	case user.OwnerAdmin:
		return nil
	case !security.Member(user) && user.Anonymous():
		return errAnonymousDB
	case !security.Member(user):
		return errUserDB
	case want == reader || security.Admin(user):
		return nil
	case user.Anonymous():
		return errAnonymousAdmin
	}
	return errUserAdmin
}
