package httpapi_test

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tododb/tododb/replicate"
)

// A replication may go where the owner of its document may. Only administrators make documents
// that belong to an administrator.
func TestNetworksOfReplicationDocuments(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "admins/Admin", "secret")})
	front := httptest.NewServer(s)
	defer front.Close()
	m, err := replicate.NewManager(t.Context(), replicate.Options{Store: s.Store, IsAdmin: s.Access().IsAdmin, Settings: replicate.Settings{
		StartupJitter: -1, Networks: replicate.Networks{Refused: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const db = "/x%2F_replicator"
	admin := replicate.User{Name: "Admin", Admin: true}
	must(t, s, admin, 201, "PUT", "/a", "")
	must(t, s, admin, 200, "PUT", "/a/_security", `{}`)
	must(t, s, admin, 201, "PUT", db, "")
	must(t, s, admin, 200, "PUT", db+"/_security", `{"members":{"names":["joe"]},"admins":{"names":["eve"]}}`)
	doc := func(more string) string {
		return fmt.Sprintf(`{"source":"%[1]s/a","target":"%[1]s/a"%s}`, front.URL, more)
	}
	if err := m.FollowDocuments(); err != nil {
		t.Fatal(err)
	}
	for _, u := range []replicate.User{testJoe, testEve, {Name: "Admin"}} { // the last by a token, say
		for _, path := range []string{"/w", "/w?new_edits=false"} {
			must(t, s, u, 403, "PUT", db+path, doc(`,"_rev":"1-a","owner":"Admin"`))
		}
	}
	must(t, s, replicate.User{Name: "Admin", Roles: []string{"x"}}, 403, "PUT", db+"/w", doc(""))
	must(t, s, admin, 201, "PUT", db+"/admins", doc(""))
	must(t, s, testJoe, 201, "PUT", db+"/joes", doc(`,"create_target":true,"user_ctx":{"name":"Admin","roles":["_admin"]}`))
	must(t, s, testEve, 201, "PUT", db+"/eves", doc(`,"owner":"joe","continuous":true`))
	rev := between(must(t, s, admin, 200, "GET", db+"/admins", ""), `"_rev":"`, `"`)
	must(t, s, testEve, 403, "PUT", db+"/admins?rev="+rev, doc(`,"owner":"Admin","continuous":true`))
	for id, want := range map[string]string{"admins": `"state":"completed"`, "joes": "network refused", "eves": "network refused"} {
		got := ""
		for deadline := time.Now().Add(time.Minute); !strings.Contains(got, want); time.Sleep(5 * time.Millisecond) {
			b, err := m.ScheduledDoc(t.Context(), "x/_replicator", id)
			if err != nil {
				t.Fatal(err)
			}
			if got = string(b); time.Now().After(deadline) {
				t.Fatalf("%s: %s", id, got)
			}
		}
	}
}
