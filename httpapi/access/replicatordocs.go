package access

import (
	"context"
	"net/http"
	"strings"

	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/wire"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

var errOthersReplication = wire.Errorf(http.StatusForbidden, "forbidden", "Can't update replication documents from other users.")

// replicatorDB returns the rules for documents that ask for replications, as in CouchDB's
// couch_replicator_docs.erl. Each document has an owner, and only they and administrators may
// change it. What cannot run is refused. Only the owner and administrators see the credentials.
func (a *Access) replicatorDB() *systemDB {
	return &systemDB{write: a.writeReplication, read: readReplication}
}

// IsAdmin tells whether a name belongs to a server administrator. It is
// replicate.Options.IsAdmin.
func (a *Access) IsAdmin(name string) bool { return a.auth.HasAdmin(name) }

// ReplicationHeaders returns the headers that replications may not send: those in which this
// server trusts a proxy.
func ReplicationHeaders(c *config.Config) replicate.Headers {
	var h replicate.Headers
	for _, name := range []string{"x_auth_username", "x_auth_roles", "x_auth_token"} {
		h.Proxies = append(h.Proxies, c.String("chttpd_auth", name))
	}
	return h
}

func (a *Access) writeReplication(_ context.Context, by asker, docs []*store.Document, e *store.Edit, _ store.WriteOptions) error {
	doc := &e.Doc
	if strings.HasPrefix(doc.ID, "_") { // a design document, a checkpoint
		return nil
	}
	for _, old := range docs {
		if old.Deleted || by.DBAdmin {
			continue
		}
		if owner, _ := replicate.OwnerOf(old.Body); owner != by.Name {
			return errOthersReplication
		}
	}
	if doc.Deleted {
		return nil
	}
	if err := replicate.CheckDocument(doc.Body, nil); err != nil {
		return wire.Errorf(http.StatusForbidden, "forbidden", "%s", err)
	}
	owner, known := replicate.OwnerOf(doc.Body)
	switch {
	case !known, owner == "" && by.DBAdmin:
		owner = by.Name
	case owner != by.Name && !by.DBAdmin || owner == "":
		return errOthersReplication
	}
	// An administrator's replications may connect where others may not. So nobody else may
	// write one in their name, not even a user with the same name.
	if !by.Admin && a.IsAdmin(owner) {
		return errOthersReplication
	}
	if !a.IsAdmin(owner) {
		headers := ReplicationHeaders(a.config)
		if err := replicate.CheckDocument(doc.Body, &headers); err != nil {
			return err
		}
	}
	if said, _ := replicate.OwnerOf(doc.Body); said == owner && owner != "" {
		return nil
	}
	body, err := replicate.WithOwner(doc.Body, owner)
	if err != nil {
		return err
	}
	return doc.SetBody(body)
}

func readReplication(by asker, d *store.Document) (visible bool, err error) {
	if by.DBAdmin || strings.HasPrefix(d.ID, "_") || len(d.Body) <= 2 {
		return true, nil
	}
	if owner, _ := replicate.OwnerOf(d.Body); owner != "" && owner == by.Name {
		return true, nil
	}
	d.Body, err = replicate.WithoutSecrets(d.Body)
	return true, err
}
