package access

import (
	"context"
	"errors"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

// ReplicationUser returns the user for whom a replication works that u has asked for.
func (a *Access) ReplicationUser(ctx context.Context, u auth.User) (by replicate.User, err error) {
	by = replicate.User{Name: u.Name, Roles: u.Roles, Admin: u.Admin, Account: u.By == auth.ByBasic || u.By == auth.ByCookie}
	if by.Account {
		by.Mark, err = a.auth.Mark(ctx, u.Name)
	}
	return by, err
}

// Allowed tells whether a user may still have the replications that they have asked for. If
// not, it returns replicate.ErrUnauthorized, or ErrForbidden if they are no longer an
// administrator and so may not connect everywhere. Any other error says that nobody can tell now.
// It is replicate.Options.Allowed.
func (a *Access) Allowed(ctx context.Context, u replicate.User) error {
	now, err := a.UserOf(ctx, u)
	if err == errAnonymousDB {
		if err = a.away(ctx, u); err == nil {
			now, err = a.UserOf(ctx, u) // it may have come back in between
		}
	}
	switch {
	case err == errAnonymousDB:
		return replicate.ErrUnauthorized
	case err == nil && u.Admin && !now.Admin:
		return replicate.ErrForbidden
	}
	return err
}

// errAccountAway says that nobody has ended an account that is not there.
var errAccountAway = errors.New("the account that this runs for is not there now")

// away tells why an account that nobody can log in with may still be the same one later, nil if it is gone for good: its
// document is deleted, or has another password. One in conflict waits for a person, and a database of users that is
// being restored, or was made anew and is filled by a replication, has the same accounts afterwards.
func (a *Access) away(ctx context.Context, u replicate.User) error {
	if u.Admin { // of the settings
		return nil
	}
	db, err := a.store.Bare(ctx, a.settings().usersDB, store.ForAccounts)
	if err == nil {
		defer db.Release()
		var doc *store.Document
		doc, err = db.Get(ctx, auth.UserPrefix+u.Name, store.ReadOptions{Conflicts: true, NoBody: true})
		if err == nil && len(doc.Conflicts) > 0 {
			return auth.ErrInConflict
		}
	}
	switch {
	case errors.Is(err, store.ErrDeleted):
		return nil
	case errors.Is(err, store.ErrNoDB), errors.Is(err, store.ErrMissing):
		return errAccountAway
	}
	return err
}

// UserOf returns the user for whom a replication works, with the rights that they have now. The
// error is errAnonymousDB if the account is gone, has another password, or now belongs to
// somebody else of the same name.
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

// OpenFor opens a database for a user's replication, as Open does for a request. The caller
// releases it. It is replicate.Options.Open.
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
