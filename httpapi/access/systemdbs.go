package access

import (
	"context"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

// systemDB is a kind of database whose documents mean something to the server: users or
// replications. Its functions are called for each document that comes in or goes out, at every
// endpoint. Open puts them as a guard on its handle (store.Guard says what they may do, and
// when they are called). So an endpoint that works on the handle from Open, and passes it on,
// need do nothing. With another handle it would show too much.
//
// Work of the server itself, such as building indexes, uses a store.Bare.
type systemDB struct {
	// write checks an edit before it is written, and may change it. It sees the standing
	// revisions of the document (store.Standing), and its result counts while they stand.
	write func(ctx context.Context, by asker, docs []*store.Document, e *store.Edit, opt store.WriteOptions) error
	// read checks a revision before it is shown, and may remove members from it.
	read func(by asker, d *store.Document) (visible bool, err error)
}

// asker is a user who asks something of a database.
type asker struct {
	auth.User
	DBAdmin bool // administers that database, as every server administrator does
}

// systemDB returns the kind of a database by its name; nil for an ordinary one.
func (a *Access) systemDB(name string) *systemDB {
	switch {
	case a.HasUsers(name):
		return a.users
	case IsReplicator(name):
		return a.replicatorDB()
	}
	return nil
}

// IsSystemDB tells whether documents of a database mean something to the server.
func (a *Access) IsSystemDB(name string) bool { return a.HasUsers(name) || IsReplicator(name) }

// UsersDB is where the users are, unless the settings name another database. Its documents are
// judged as users in any case.
const UsersDB = "_users"

// HasUsers tells whether the documents of a database are users.
func (a *Access) HasUsers(name string) bool { return name == UsersDB || name == a.settings().usersDB }

// newSecurity returns the security object of a new database. The server's own databases are
// never open to everybody.
func (a *Access) newSecurity(name string) []byte {
	if !a.settings().openToAll || a.IsSystemDB(name) || name[0] == '_' {
		return nil
	}
	return []byte("{}")
}

// globalChanges is a database that CouchDB keeps for itself and its administrators.
const globalChanges = "_global_changes"

// IsReplicator tells whether documents of a database ask for replications.
func IsReplicator(name string) bool { return replicate.IsReplicator(name) }

// OpenNamed opens a database for a user, as a Member unless the rule is DBAdmin. The handle
// shows what the user may see and accepts what they may write.
func (a *Access) OpenNamed(ctx context.Context, name string, user auth.User, want wire.Rule) (*store.DB, error) {
	if name == globalChanges && !user.Admin {
		return nil, errNotServerAdmin
	}
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

// visitor is a user at a database, with the guard of their handle.
type visitor struct {
	a     *Access
	user  auth.User
	db    string
	guard store.Guard
}

func (v *visitor) userCtx() []byte { return appendUserCtx(nil, v.db, v.user) }

// guard returns what checks the documents of a database, including validation functions.
func (a *Access) guard(ctx context.Context, db store.Opening, user auth.User) (*store.Guard, error) {
	v := &visitor{a: a, user: user, db: db.Name()}
	v.guard = store.Guard{Admin: administers(user), Design: a.design, Validator: v.validator, UserCtx: v.userCtx}
	g := &v.guard
	kind := a.systemDB(v.db)
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
