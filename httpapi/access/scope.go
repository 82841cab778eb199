package access

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tododb/tododb/httpapi/auth"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/store"
	"github.com/tododb/tododb/store/index/mango"
)

var (
	ErrScopePath  = wire.Errorf(http.StatusForbidden, "forbidden", "The token does not allow this.")
	errScopeDB    = wire.Errorf(http.StatusForbidden, "forbidden", "The token is not for this database.")
	errScopeWrite = wire.Errorf(http.StatusForbidden, "forbidden", "The token is for reading only.")
	errScopePart  = wire.Errorf(http.StatusForbidden, "forbidden", "The token covers only part of the documents, and this request cannot be narrowed to them.")
	errScopeDoc   = wire.Errorf(http.StatusForbidden, "forbidden", "The token is not for this document.")
)

// checkScope checks a request that uses a device's token. It looks only at path and method,
// before any route does. Everything that it does not allow is forbidden, so a new route is
// closed to tokens until it is added here. The guard from scopeGuard then checks each document.
func checkScope(d *auth.Device, r *http.Request) error {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch first {
	case "", "_up", "_uuids":
		return nil
	case "_session":
		if rest == "" && (reads || r.Method == http.MethodDelete) {
			return nil
		}
		return ErrScopePath
	}
	name, err := url.QueryUnescape(first)
	if err != nil || strings.HasPrefix(name, "_") {
		return ErrScopePath
	}
	if !d.Covers(name) {
		return errScopeDB
	}
	if rest == "" && !reads && r.Method != http.MethodPost {
		return ErrScopePath // creating and deleting databases
	}
	endpoint, below, _ := strings.Cut(rest, "/")
	if endpoint, err = url.PathUnescape(endpoint); err != nil { // however it is spelt
		return ErrScopePath
	}
	if !strings.HasPrefix(endpoint, "_") {
		// A document or an attachment, or, for "", the database itself.
		if !reads && d.Access != auth.ReadWrite {
			return errScopeWrite
		}
		return nil
	}
	if _, inner, _ := strings.Cut(below, "/"); endpoint == "_partition" && inner != "" {
		// A partition has endpoints of the database, and they do there what they do here.
		endpoint, below, _ = strings.Cut(inner, "/")
		if endpoint, err = url.PathUnescape(endpoint); err != nil {
			return ErrScopePath
		}
	}
	rule, known := scopeRules[endpoint]
	switch {
	case !known:
		return ErrScopePath
	case !rule.reads && !reads && d.Access != auth.ReadWrite:
		return errScopeWrite
	case rule.whole && d.Partial():
		return errScopePart
	case endpoint == "_design" && strings.Contains(below, "/_rewrite"):
		return ErrScopePath // it leads to paths that nobody checks
	case reads:
		return nil
	case endpoint == "_design" && !viewPath(below), endpoint == "_index", endpoint == "_security":
		return ErrScopePath // only for administrators, and functions that write
	}
	return nil
}

// viewPath tells whether a path below _design is a view's. Views are queried by POST too.
func viewPath(path string) bool {
	parts := strings.SplitN(path, "/", 3)
	return len(parts) == 3 && parts[1] == "_view"
}

// scopeRule says what a token may do with an endpoint of a database.
type scopeRule struct {
	reads bool // it changes nothing, whatever the method
	whole bool // its answer cannot be limited to some documents
}

// scopeRules are the endpoints that tokens may use.
var scopeRules = map[string]scopeRule{
	"_all_docs":           {reads: true},
	"_bulk_docs":          {},
	"_bulk_get":           {reads: true},
	"_changes":            {reads: true},
	"_design":             {reads: true, whole: true},
	"_design_docs":        {reads: true, whole: true},
	"_ensure_full_commit": {reads: true},
	"_explain":            {reads: true, whole: true},
	"_find":               {reads: true},
	"_index":              {reads: true, whole: true},
	"_local":              {},
	"_missing_revs":       {reads: true},
	"_partition":          {reads: true, whole: true},
	"_revs_diff":          {reads: true},
	"_security":           {reads: true, whole: true},
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
			return ErrScopePath
		case local(id):
			return nil
		case !within(next), slices.ContainsFunc(now.Docs, func(old *store.Document) bool { return !within(old) }):
			return errScopeDoc
		}
		return nil
	}
	return g, nil
}
