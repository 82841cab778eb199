package httpapi_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/replications"
	"github.com/tododb/tododb/replicate"
	"github.com/tododb/tododb/store"
)

// asked is a replicator that notes for which users it is asked.
type asked struct {
	replications.Replicator
	user replicate.User
}

func (a *asked) Replicate(_ context.Context, _ []byte, user replicate.User) ([]byte, bool, error) {
	a.user = user
	return []byte(`{"ok":true}`), true, nil
}

// A replication has the rights that its user has now, not the ones from when they asked for it.
func TestAReplicationHasItsUsersPresentRights(t *testing.T) {
	t.Parallel()
	replicator := &asked{}
	s := openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "1"), Replicator: replicator})
	const user = "/_users/org.couchdb.user:anna"
	wants(t, call(s, "PUT", "/_users", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", user, `{"name":"anna","password":"annapw","roles":["cook"],"type":"user"}`, "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/_security", `{"admins":{"roles":["cook"]},"members":{"roles":["cook"]}}`, "Admin", ""), 200, "")
	wants(t, call(s, "POST", "/_replicate", `{"source":"db","target":"db2","continuous":true}`, "Authorization", as("anna")), 202, "")
	writes := func() error {
		db, err := s.Access().OpenFor(t.Context(), "db", replicator.user)
		if err != nil {
			return err
		}
		defer db.Release()
		var edit store.Edit
		edit.Doc.ID, edit.Doc.Rev.Gen, edit.Doc.Rev.ID, edit.Doc.Body = "_design/d", 1, "a", []byte("{}")
		res, err := db.Write(t.Context(), []store.Edit{edit}, store.WriteOptions{Replicated: true})
		if err == nil {
			err = res[0].Err
		}
		return err
	}
	if err := writes(); err != nil {
		t.Errorf("at first: %v", err)
	}
	wants(t, call(s, "PUT", "/db/_security", `{"admins":{},"members":{"roles":["cook"]}}`, "Admin", ""), 200, "")
	if err := writes(); err == nil || !strings.Contains(err.Error(), "not a db or server admin") {
		t.Errorf("an administrator no more: %v", err)
	}
	body := must(t, s, testAdmin, 200, "GET", user, "")
	wants(t, call(s, "PUT", user, strings.Replace(body, `"roles":["cook"]`, `"roles":[]`, 1), "Admin", ""), 201, "")
	if err := writes(); !errors.Is(err, replicate.ErrForbidden) {
		t.Errorf("without the role: %v", err)
	}
	wants(t, call(s, "DELETE", user+"?rev="+revOf(t, s, user), "", "Admin", ""), 200, "")
	wants(t, call(s, "PUT", "/db/_security", `{"admins":{},"members":{}}`, "Admin", ""), 200, "")
	if err := writes(); !errors.Is(err, replicate.ErrUnauthorized) {
		t.Errorf("without an account: %v", err)
	}
	wants(t, call(s, "PUT", user, `{"name":"anna","password":"annapw","roles":[],"type":"user"}`, "Admin", ""), 201, "")
	if err := writes(); !errors.Is(err, replicate.ErrUnauthorized) {
		t.Errorf("somebody else has the name: %v", err)
	}
	if err := s.Access().Allowed(t.Context(), replicator.user); !errors.Is(err, replicate.ErrUnauthorized) {
		t.Errorf("between two other servers: %v", err)
	}
}

// Leases say which process runs a replication. Only the server writes them.
func TestLeasesAreTheServersOwn(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	must(t, s, testAdmin, 201, "PUT", "/joes%2F_replicator", "")
	must(t, s, testAdmin, 200, "PUT", "/joes%2F_replicator/_security", `{"admins":{"names":["joe"]},"members":{}}`)
	must(t, s, testJoe, 201, "PUT", "/joes%2F_replicator/_local/x", `{}`)
}

// Without a shared secret, only trusted proxies may say who asks.
func TestUnsignedProxies(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]string{"": `"name":"anna"`, "10.0.0.0/8": `"name":null`, "192.0.2.0/24": `"name":"anna"`} {
		s := openServer(t, Options{Config: settings(t, "limits/trusted_proxies", trusted, "chttpd_auth/proxy_use_secret", "false",
			"chttpd/authentication_handlers", "{chttpd_auth, proxy_authentication_handler}")})
		if w := call(s, "GET", "/_session", "", "X-Auth-CouchDB-UserName", "anna"); !strings.Contains(w.Body.String(), want) {
			t.Errorf("with %q: %s", trusted, w.Body)
		}
	}
}
