package access

import (
	"context"
	"net/http"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

var (
	errAnonymous      = wire.Errorf(http.StatusUnauthorized, "unauthorized", "You are not an authenticated user")
	errNotMetrics     = wire.Errorf(http.StatusUnauthorized, "unauthorized", "You are not a server admin or read-only metrics user.")
	errValidUser      = wire.Errorf(http.StatusUnauthorized, "unauthorized", "Authentication required.")
	errNotServerAdmin = wire.Errorf(http.StatusUnauthorized, "unauthorized", "You are not a server admin.")
	errAnonymousDB    = wire.Errorf(http.StatusUnauthorized, "unauthorized", "You are not authorized to access this db.")
	errUserDB         = wire.Errorf(http.StatusForbidden, "forbidden", "You are not allowed to access this db.")
	errAnonymousAdmin = wire.Errorf(http.StatusUnauthorized, "unauthorized", "You are not a db or server admin.")
	errUserAdmin      = wire.Errorf(http.StatusForbidden, "forbidden", "You are not a db or server admin.")
)

// welcomes refuses anonymous users where the settings say that only known ones are answered.
func (a *Access) welcomes(user auth.User, rule wire.Rule) error {
	set := a.settings()
	switch {
	case !user.Anonymous(), rule == wire.Door, !set.validUser && !set.validExceptUp, rule == wire.Health && set.validExceptUp:
		return nil
	}
	return errValidUser
}

// RequireAdmin lets only administrators of the server through. As in CouchDB, a known user
// gets the same 401 as an anonymous one.
func RequireAdmin(r *http.Request) error {
	if wire.UserOf(r).Admin {
		return nil
	}
	return errNotServerAdmin
}

// requireMetrics lets through administrators and users with the role _metrics. That role
// allows only reading figures.
func requireMetrics(r *http.Request) error {
	if user := wire.UserOf(r); user.Admin || user.Has("_metrics") {
		return nil
	}
	return errNotMetrics
}

// authorize checks what a user may do against the database's security object.
func authorize(ctx context.Context, db store.Opening, user auth.User, want wire.Rule) error {
	if user.Admin {
		return nil
	}
	raw, err := db.Security(ctx)
	if err != nil {
		return err
	}
	return judge(raw, user, want)
}

// administers returns what checks whether a security object makes the user an administrator
// (store.Guard). It returns nil for administrators of the server.
func administers(user auth.User) func(security []byte) error {
	if user.Admin {
		return nil
	}
	return func(security []byte) error { return judge(security, user, wire.DBAdmin) }
}

// judge checks what a user may do against a security object as it was set. The user is not an
// administrator of the server.
func judge(raw []byte, user auth.User, want wire.Rule) error {
	security := auth.ParseSecurity(raw)
	switch {
	case user.Device != nil && want == wire.DBAdmin:
		return errUserAdmin
	case user.OwnerAdmin:
		return nil
	case !security.Member(user) && user.Anonymous():
		return errAnonymousDB
	case !security.Member(user):
		return errUserDB
	case want != wire.DBAdmin || security.Admin(user):
		return nil
	case user.Anonymous():
		return errAnonymousAdmin
	}
	return errUserAdmin
}
