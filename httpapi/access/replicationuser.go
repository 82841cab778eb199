package access

import (
	"context"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

// ReplicationUser is for whom a replication works that a user has asked for.
func (a *Access) ReplicationUser(ctx context.Context, u auth.User) (by replicate.User, err error) {
	by = replicate.User{Name: u.Name, Roles: u.Roles, Admin: u.Admin, Account: u.By == auth.ByBasic || u.By == auth.ByCookie}
	if by.Account {
		by.Mark, err = a.auth.Mark(ctx, u.Name)
	}
	return by, err
}

// Allowed tells whether a user may still have the replications that he has asked for:
// replicate.ErrUnauthorized, or ErrForbidden where he is no administrator any more, and may
// not connect to everywhere. It is replicate.Options.Allowed.
func (a *Access) Allowed(ctx context.Context, u replicate.User) error {
	now, err := a.UserOf(ctx, u)
	switch {
	case err == errAnonymousDB:
		return replicate.ErrUnauthorized
	case err == nil && u.Admin && !now.Admin:
		return replicate.ErrForbidden
	}
	return err
}

// UserOf is the user for whom a replication works, with the rights that he has now:
// errAnonymousDB if he is none any more, also where somebody else has his name, or he another
// password.
func (a *Access) UserOf(ctx context.Context, u replicate.User) (auth.User, error) {
	user := auth.User{Name: u.Name, Roles: u.Roles, Admin: u.Admin}
	if u.Account {
		now, there, err := a.auth.Present(ctx, u.Name, u.Mark)
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

// OpenFor opens a database for a user whose replication works on it, as Open does for
// a request; the caller releases it. It is replicate.Options.Open.
func (a *Access) OpenFor(ctx context.Context, name string, user replicate.User) (*store.DB, error) {
	now, err := a.UserOf(ctx, user)
	var db *store.DB
	if err == nil {
		db, err = a.OpenNamed(ctx, name, now, wire.Member)
	}
	switch err {
	case errAnonymousDB:
		return nil, replicate.ErrUnauthorized
	case errUserDB:
		return nil, replicate.ErrForbidden
	}
	return db, err
}
