package httpapi_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/tododb/tododb/replicate"
)

// POST /_replicate/_check says of each end what a replication would meet there, and changes nothing.
func TestReplicationCheck(t *testing.T) {
	t.Parallel()
	remote := openWithUsers(t, Options{}, "anna")
	for _, db := range []string{"/shared", "/secret"} {
		must(t, remote, testAdmin, 201, "PUT", db, "")
	}
	must(t, remote, testAdmin, 200, "PUT", "/shared/_security", `{"members":{"names":["anna"]},"admins":{}}`)
	must(t, remote, testAdmin, 201, "PUT", "/shared/_design/d", `{"filters":{"f":"function () { return true }"}}`)
	front := httptest.NewServer(remote)
	defer front.Close()
	other := httptest.NewServer(http.NotFoundHandler()) // it is no database server
	defer other.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()

	var replicator later
	s := openServer(t, Options{Replicator: &replicator})
	m, err := replicate.NewManager(t.Context(), replicate.Options{Store: s.Store, Filters: s.Filters, Open: s.Access().OpenFor, Settings: replicate.Settings{
		Networks: replicate.Networks{Refused: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	replicator.Replicator = m
	must(t, s, testAdmin, 201, "PUT", "/here", "")

	as := func(who string) string { return strings.Replace(front.URL, "//", "//"+who+"@", 1) }
	missing := as("admin:secret") + "/new"
	for _, c := range []struct {
		name           string
		user           replicate.User
		source, target string // JSON members after the name
		want           string // of the end that is not here: its answer without the name
	}{
		{"readable", testAdmin, as("anna:annapw") + "/shared", "here", `{"ok":true,"exists":true}`},
		{"writable", testAdmin, "here", as("anna:annapw") + "/shared", `{"ok":true,"exists":true}`},
		{"without a password", testAdmin, front.URL + "/shared", "here", `{"ok":false,"exists":null,"error":"unauthorized","reason":"The server asks for a name and a password."}`},
		{"with a wrong password", testAdmin, as("anna:hunter2") + "/shared", "here", `"error":"unauthorized"`},
		{"another's database", testAdmin, as("anna:annapw") + "/secret", "here", `"error":"forbidden"`},
		{"missing source", testAdmin, missing, "here", `{"ok":false,"exists":false,"error":"not_found","reason":"There is no database at this address."}`},
		{"missing target", testAdmin, "here", missing, `"error":"not_found"`},
		{"target to be created", testAdmin, "here", missing + `","create_target":true,"x":"`, `{"ok":true,"exists":false,"creates":true}`},
		{"target that anna may not create", testAdmin, "here", as("anna:annapw") + `/new","create_target":true,"x":"`, `"error":"forbidden"`},
		{"no database server", testAdmin, other.URL + "/x", "here", `"error":"not_found"`},
		{"nobody listens", testAdmin, "http://" + gone.Addr().String() + "/x", "here", `"error":"connection_refused"`},
		{"no HTTPS", testAdmin, strings.Replace(front.URL, "http:", "https:", 1) + "/shared", "here", `"error":"no_https"`},
		{"filter", testAdmin, as("anna:annapw") + `/shared","filter":"d/f","x":"`, "here", `{"ok":true,"exists":true}`},
		{"missing filter", testAdmin, as("anna:annapw") + `/shared","filter":"d/g","x":"`, "here", `"error":"no_filter"`},
		{"missing here", testAdmin, "nowhere", as("anna:annapw") + "/shared", `"error":"not_found"`},
		// Users are not told what is in networks that they cannot see.
		{"nobody listens, for a user", testJoe, "http://" + gone.Addr().String() + "/x", "here", `"error":"unreachable"`},
		{"refused network, for a user", testJoe, "http://127.0.0.2:1/x", "here", `"error":"network_refused"`},
	} {
		answer := must(t, s, c.user, 200, "POST", "/_replicate/_check", `{"source":"`+c.source+`","target":"`+c.target+`"}`)
		var ends map[string]json.RawMessage
		if err := json.Unmarshal([]byte(answer), &ends); err != nil {
			t.Fatal(err)
		}
		end := "source"
		if c.source == "here" {
			end = "target"
		}
		_, rest, _ := strings.Cut(string(ends[end]), `,`)
		if got := "{" + rest; !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", c.name, answer)
		}
		if strings.Contains(answer, "hunter2") || strings.Contains(answer, "annapw") {
			t.Errorf("%s shows a password: %s", c.name, answer)
		}
		if got := string(ends["ok"]) == "true"; got != strings.Contains(c.want, `"ok":true`) && c.user.Admin {
			t.Errorf("%s: %s", c.name, answer)
		}
	}
	must(t, remote, testAdmin, 404, "GET", "/new", "") // a check creates nothing

	must(t, s, testAdmin, 200, "PUT", "/here/_security", `{"members":{"names":["eve"]},"admins":{}}`)
	if answer := must(t, s, testJoe, 200, "POST", "/_replicate/_check", `{"source":"`+as("anna:annapw")+`/shared","target":"here"}`); !strings.Contains(answer, `"target":{"name":"here","ok":false,"exists":null,"error":"forbidden"`) {
		t.Errorf("joe and eve's database: %s", answer)
	}
	must(t, s, testAdmin, 400, "POST", "/_replicate/_check", `{"source":"here"}`)
	must(t, s, testAdmin, 400, "POST", "/_replicate/_check", `[]`)
	must(t, s, replicate.User{}, 401, "POST", "/_replicate/_check", `{}`)
	must(t, s, testJoe, 401, "POST", "/_scheduler/jobs/x/_retry", ``)
	must(t, s, testAdmin, 404, "POST", "/_scheduler/jobs/x/_retry", ``)
}
