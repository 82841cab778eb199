package access

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
)

var (
	errUsersDesign   = wire.Errorf(http.StatusForbidden, "forbidden", "Only administrators can view design docs in the users database.")
	ErrUsersSecurity = wire.Errorf(http.StatusForbidden, "forbidden", "You can't edit the security object of the user database.")
	errServerRecord  = wire.Errorf(http.StatusForbidden, "forbidden", "This local document is the server's own.")
)

// ServerRecords is the beginning of the ids of the server's own local documents in _users.
// Nobody can read or write them through the API.
const ServerRecords = "_local/tododb."

// newUsersDB makes the rules of _users. Once the database's security object lets users in,
// package auth says which documents they may read and write.
func (a *Access) newUsersDB() *systemDB {
	return &systemDB{
		write: func(ctx context.Context, by asker, docs []*store.Document, e *store.Edit, _ store.WriteOptions) error {
			if strings.HasPrefix(e.Doc.ID, "_local/") {
				return checkServerRecord(e.Doc.ID)
			}
			rules := auth.UserRules{By: by.User, DBAdmin: by.DBAdmin}
			if err := rules.MayWrite(e.Doc.ID); err != nil {
				return err
			}
			doc := &auth.UserDoc{ID: e.Doc.ID, Body: e.Doc.Body, Deleted: e.Doc.Deleted}
			var was []*auth.UserDoc
			for _, old := range docs {
				was = append(was, &auth.UserDoc{ID: old.ID, Body: old.Body, Deleted: old.Deleted})
			}
			if err := rules.Check(was, doc, a.auth.MaxCost()); err != nil {
				return err
			}
			password, there := doc.Password()
			if !there || strings.HasPrefix(e.Doc.ID, "_design/") {
				return nil
			}
			if err := a.auth.CheckPassword(password); err != nil {
				return err
			}
			if address, there := wire.AddressIn(ctx); there {
				ctx = auth.WithAddress(ctx, address)
			}
			body, err := a.auth.HashPassword(ctx, e.Doc.Body, e.Doc.ID, password)
			if err != nil {
				return &store.Unjudged{Err: err}
			}
			return e.Doc.SetBody(body)
		},
		read: func(by asker, d *store.Document) (bool, error) {
			switch {
			case strings.HasPrefix(d.ID, "_local/"):
				return checkServerRecord(d.ID) == nil, nil
			case strings.HasPrefix(d.ID, "_design/"):
				if !by.DBAdmin {
					return false, errUsersDesign
				}
				return true, nil
			}
			rules := auth.UserRules{By: by.User, DBAdmin: by.DBAdmin}
			shown := rules.Show(d.ID, d.Body, a.settings().publicFields)
			if shown == nil {
				return false, nil
			}
			if len(shown) != len(d.Body) {
				d.Attachments = nil
			}
			d.Body = shown
			return true, nil
		},
	}
}

func checkServerRecord(id string) error {
	if strings.HasPrefix(id, ServerRecords) {
		return errServerRecord
	}
	return nil
}

// MayList lets only administrators list users. Like CouchDB, it checks this before the
// database's security object.
func (a *Access) MayList(r *http.Request) error {
	if name, err := wire.Segment(r, "db"); err == nil && a.HasUsers(name) {
		return RequireAdmin(r)
	}
	return nil
}

// CreateSystemDatabases creates _users and _replicator if they do not exist, and in _users the
// design document that CouchDB has there too.
func (a *Access) CreateSystemDatabases(ctx context.Context) error {
	for _, name := range []string{UsersDB, "_replicator"} {
		if err := a.store.Create(ctx, name); err != nil && !errors.Is(err, store.ErrDBExists) {
			return err
		}
	}
	return a.addUsersDesign(ctx)
}

// CreateDatabase creates a database, and in _users its design document.
func (a *Access) CreateDatabase(ctx context.Context, name string, p store.Properties) error {
	if err := a.store.CreateWith(ctx, name, p); err != nil || name != UsersDB {
		return err
	}
	return a.addUsersDesign(ctx)
}

// addUsersDesign writes the design document of _users, unless one is or was there.
func (a *Access) addUsersDesign(ctx context.Context) error {
	db, err := a.store.Bare(ctx, UsersDB, store.ForSetup)
	if err != nil {
		return err
	}
	defer db.Release()
	const id = "_design/_auth"
	if _, err := db.Get(ctx, id, store.ReadOptions{NoBody: true, Deleted: true}); !errors.Is(err, store.ErrMissing) {
		return err
	}
	var edit store.Edit
	if err := edit.Doc.SetBody(auth.UsersDesign()); err != nil {
		return err
	}
	edit.Doc.ID, edit.Doc.HasID = id, true
	_, err = db.Put(ctx, edit, store.WriteOptions{})
	return err
}
