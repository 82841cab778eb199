package httpapi_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/access"
	"github.com/tododb/tododb/replicate"
)

// A server may trust proxies by address, and its own may be among them. Even then a replication
// that comes from here and sends a proxy's headers makes nobody an administrator.
func TestAReplicationIsNoProxy(t *testing.T) {
	t.Parallel()
	cfg := settings(t, "chttpd_auth/iterations", "1", "limits/trusted_proxies", "127.0.0.0/8", "chttpd_auth/proxy_use_secret", "false", "chttpd_auth/x_auth_username", "X-Who",
		"chttpd/authentication_handlers", "{chttpd_auth, proxy_authentication_handler}, {chttpd_auth, default_authentication_handler}")
	var replicator later
	s := openServer(t, Options{Config: cfg, Replicator: &replicator})
	m, err := replicate.NewManager(t.Context(), replicate.Options{Store: s.Store, Open: s.Access().OpenFor, IsAdmin: s.Access().IsAdmin, Settings: replicate.Settings{Headers: access.ReplicationHeaders(cfg)}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	replicator.Replicator = m
	front := httptest.NewServer(s)
	defer front.Close()
	must(t, s, testAdmin, 201, "PUT", "/_users", "")
	must(t, s, testAdmin, 201, "PUT", "/_users/org.couchdb.user:joe", `{"name":"joe","password":"joe","roles":[],"type":"user"}`)
	for db, member := range map[string]string{"joes": "joe", "joes%2F_replicator": "joe", "secrets": "nobody"} {
		must(t, s, testAdmin, 201, "PUT", "/"+db, "")
		must(t, s, testAdmin, 200, "PUT", "/"+db+"/_security", `{"admins":{},"members":{"names":["`+member+`"]}}`)
	}
	must(t, s, testAdmin, 201, "PUT", "/secrets/s", `{"x":1}`)
	request := func(target, headers string) string {
		return fmt.Sprintf(`{"source":{"url":"%s/secrets","headers":{%s}},"target":%q}`, front.URL, headers, target)
	}
	for _, headers := range []string{`"X-Who":"boss","X-Auth-CouchDB-Roles":"_admin"`, `"X-Forwarded-For":"192.0.2.1"`} {
		w := call(s, "POST", "/_replicate", request("joes", headers), "Authorization", basicAuth("joe", "joe"))
		if w.Code != 403 || !strings.Contains(w.Body.String(), "may not send the header `X-") {
			t.Errorf("_replicate with %s: %d %s", headers, w.Code, w.Body)
		}
		for _, query := range []string{"", "?new_edits=false"} {
			w = call(s, "PUT", "/joes%2F_replicator/r"+query, strings.Replace(request(front.URL+"/joes", headers), "{", `{"_rev":"1-aa",`, 1), "Authorization", basicAuth("joe", "joe"))
			if w.Code != 403 || !strings.Contains(w.Body.String(), "may not send the header `X-") {
				t.Errorf("a document with %s: %d %s", headers, w.Code, w.Body)
			}
		}
	}
	if rows := must(t, s, testAdmin, 200, "GET", "/joes/_all_docs", ""); strings.Contains(rows, `"s"`) {
		t.Errorf("joe has %s", rows)
	}
	// An administrator may send them: they are one anyway.
	w := call(s, "POST", "/_replicate", request("joes", `"X-Who":"boss","X-Auth-CouchDB-Roles":"_admin"`), "Admin", "")
	wants(t, w, 200, `"docs_written":1`)
	must(t, s, testAdmin, 201, "PUT", "/_replicator", "")
	wants(t, call(s, "PUT", "/_replicator/r", request(front.URL+"/joes", `"X-Forwarded-For":"192.0.2.1"`), "Admin", ""), 201, "")
}
