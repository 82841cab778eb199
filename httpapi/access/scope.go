package access

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/mango"
)

var (
	errScopePath  = wire.Errorf(http.StatusForbidden, "forbidden", "The token does not allow this.")
	errScopeDB    = wire.Errorf(http.StatusForbidden, "forbidden", "The token is not for this database.")
	errScopeWrite = wire.Errorf(http.StatusForbidden, "forbidden", "The token is for reading only.")
	errScopePart  = wire.Errorf(http.StatusForbidden, "forbidden", "The token covers only part of the documents, and this request cannot be narrowed to them.")
	errScopeDoc   = wire.Errorf(http.StatusForbidden, "forbidden", "The token is not for this document.")
)

// withinScope checks a request that uses a device's token against what its route says about
// tokens. The guard from scopeGuard then checks each document.
func withinScope(d *auth.Device, r *http.Request, tokens wire.Scope) error {
	switch tokens {
	case wire.EveryToken:
		return nil
	case wire.Readers, wire.WholeReaders, wire.Writers:
	default:
		return errScopePath
	}
	name, err := wire.Segment(r, "db")
	switch {
	case err != nil || name == "" || strings.HasPrefix(name, "_"):
		return errScopePath
	case !d.Covers(name):
		return errScopeDB
	case tokens == wire.Writers && d.Access != auth.ReadWrite:
		return errScopeWrite
	case tokens == wire.WholeReaders && d.Partial():
		return errScopePart
	}
	return nil
}

// scopeGuard returns the guard for a token's handles. They are used for as long as ctx lasts.
func scopeGuard(ctx context.Context, d *auth.Device) (*store.Guard, error) {
	g := &store.Guard{}
	within := func(*store.Document) bool { return true }
	switch {
	case d.Selector != nil:
		selector, err := mango.Compile(d.Selector)
		if err != nil {
			return nil, err
		}
		within = func(doc *store.Document) bool {
			// A tombstone without members is let through: clients that have seen the document must
			// learn that it is gone.
			if doc.Deleted && string(doc.Body) == "{}" {
				return true
			}
			ok, err := selector.Match(ctx, doc)
			return ok && err == nil
		}
	case d.Prefix != "":
		within = func(doc *store.Document) bool { return strings.HasPrefix(doc.ID, d.Prefix) }
	}
	// Replicators choose the ids of checkpoints. The scope does not apply to them.
	local := func(id string) bool { return strings.HasPrefix(id, "_local/") }
	if d.Partial() {
		g.Read = func(doc *store.Document) (bool, error) { return local(doc.ID) || within(doc), nil }
	}
	g.Write = func(_ context.Context, now store.Standing, e *store.Edit, _ store.WriteOptions) error {
		id := e.Doc.ID
		next := &store.Document{ID: id, Rev: wire.GivenRev(&e.Doc), Deleted: e.Doc.Deleted, Body: e.Doc.Body}
		switch {
		case d.Access != auth.ReadWrite:
			return errScopeWrite
		case strings.HasPrefix(id, "_design/"):
			return errScopePath
		case local(id):
			return nil
		case !within(next), slices.ContainsFunc(now.Docs, func(old *store.Document) bool { return !within(old) }):
			return errScopeDoc
		}
		return nil
	}
	return g, nil
}
