package access

import (
	"context"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

// systemDB is a kind of databases whose documents mean something to the server: users,
// replications. Its functions are asked for each document that comes in or goes out,
// whatever the endpoint: Open puts them as a guard on the handle that it returns
// (store.Guard says what they may do, and when they are asked). So an endpoint that
// works on the handle of Open, and hands that handle on to what works for it, needs to
// do nothing; one that reads by another handle shows what it should not.
//
// Work of the server itself, such as building indexes, uses a store.Bare.
type systemDB struct {
	// write judges and may change an edit before it is written: by all that stands of its
	// document (store.Standing), and as long as that stands.
	write func(ctx context.Context, by asker, docs []*store.Document, e *store.Edit, opt store.WriteOptions) error
	// read judges a revision before it is shown, and may take members out of it.
	read func(by asker, d *store.Document) (visible bool, err error)
}

// asker is who asks something of a database.
type asker struct {
	auth.User
	DBAdmin bool // of that database, as every administrator of the server is
}

// systemDB returns what a database is by its name; nil for an ordinary one.
func (a *Access) systemDB(name string) *systemDB {
	switch {
	case name == UsersDB:
		return a.users
	case IsReplicator(name):
		return a.replicatorDB()
	}
	return nil
}

// IsSystemDB tells whether documents of a database mean something to the server.
func IsSystemDB(name string) bool { return name == UsersDB || IsReplicator(name) }

const UsersDB = "_users"

// IsReplicator tells whether documents of a database ask for replications.
func IsReplicator(name string) bool { return replicate.IsReplicator(name) }

// OpenNamed opens a database for a user, as a Member unless the rule is DBAdmin. The handle
// shows and takes what the user may see and write.
func (a *Access) OpenNamed(ctx context.Context, name string, user auth.User, want wire.Rule) (*store.DB, error) {
	return a.store.Open(ctx, name, func(ctx context.Context, db store.Opening) (*store.Guard, error) {
		if err := authorize(ctx, db, user, want); err != nil {
			return nil, err
		}
		g, err := a.guard(ctx, db, user)
		if err != nil || user.Device == nil {
			return g, err
		}
		if !user.Device.Covers(db.Name()) {
			return nil, errScopeDB
		}
		scope, err := scopeGuard(ctx, user.Device)
		if err != nil {
			return nil, err
		}
		return g.And(scope), nil
	})
}

// guard is what is asked for the documents of a database, validation functions among it.
func (a *Access) guard(ctx context.Context, db store.Opening, user auth.User) (*store.Guard, error) {
	g := &store.Guard{Admin: administers(user), Design: a.checkDesign, Validator: a.validator(user)}
	g.UserCtx = func() []byte { return appendUserCtx(nil, db, user) }
	kind := a.systemDB(db.Name())
	if kind == nil {
		return g, nil
	}
	if kind.write != nil {
		g.Write = func(ctx context.Context, now store.Standing, e *store.Edit, opt store.WriteOptions) error {
			return kind.write(ctx, asker{User: user, DBAdmin: now.Admin}, now.Docs, e, opt)
		}
	}
	if kind.read != nil {
		raw, err := db.Security(ctx)
		if err != nil {
			return nil, err
		}
		by := asker{User: user, DBAdmin: g.Admin == nil || g.Admin(raw) == nil}
		g.Read = func(d *store.Document) (bool, error) { return kind.read(by, d) }
	}
	return g, nil
}
