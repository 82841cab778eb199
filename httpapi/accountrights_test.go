package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/wire"
)

const annaDoc = `{"name":"anna","password":"%s","roles":[],"type":"user"%s}`

// signUps lets anybody sign up.
func signUps(t *testing.T, s *Server) {
	t.Helper()
	set(t, s.Config, "couchdb/users_db_security_editable", "true")
	must(t, s, testAdmin, 200, "PUT", "/_users/_security", `{"admins":{},"members":{}}`)
}

// A token ends with its account and when its password changes, whoever has the name afterwards.
// It does not end when the same password is hashed again.
func TestATokenIsOfItsAccount(t *testing.T) {
	t.Parallel()
	const user = "/_users/org.couchdb.user:anna"
	put := func(t *testing.T, s *Server, password string) {
		t.Helper()
		more := ""
		if w := call(s, "GET", user, "", "Admin", ""); w.Code == 200 {
			more = `,"_rev":"` + textOf(t, w.Body.String(), "_rev") + `"`
		}
		wants(t, call(s, "PUT", user, fmt.Sprintf(annaDoc, password, more), "Admin", ""), 201, "")
	}
	remove := func(t *testing.T, s *Server) {
		t.Helper()
		wants(t, call(s, "DELETE", user+"?rev="+revOf(t, s, user), "", "Admin", ""), 200, "")
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, s *Server)
		status int
	}{
		"nothing": {func(*testing.T, *Server) {}, 200},
		"another role": {func(t *testing.T, s *Server) {
			body := must(t, s, testAdmin, 200, "GET", user, "")
			wants(t, call(s, "PUT", user, strings.Replace(body, `"roles":[]`, `"roles":["cook"]`, 1), "Admin", ""), 201, "")
		}, 200},
		"the same password, hashed anew": {func(t *testing.T, s *Server) {
			set(t, s.Config, "chttpd_auth/iterations", "2")
			again, err := httpapi.New(Options{Store: s.Store, Config: s.Config}) // has verified nothing yet
			if err != nil {
				t.Fatal(err)
			}
			wants(t, call(again, "GET", "/_session", "", "Authorization", as("anna")), 200, "anna")
			if body := must(t, s, testAdmin, 200, "GET", user, ""); !strings.Contains(body, `"iterations":2`) {
				t.Error(body)
			}
		}, 200},
		"another password": {func(t *testing.T, s *Server) { put(t, s, "new") }, 401},
		"the account goes": {remove, 401},
		"somebody else signs up": {func(t *testing.T, s *Server) {
			remove(t, s)
			wants(t, call(s, "PUT", user, fmt.Sprintf(annaDoc, "annapw", "")), 201, "")
		}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			s := openWithDB(t, Options{Config: settings(t, "chttpd_auth/iterations", "1", "chttpd_auth/secret", "the same")}, `{"_id":"a"}`)
			signUps(t, s)
			put(t, s, "annapw")
			token, id := issue(t, s, "anna", `{"databases":["db"],"device":"x"}`)
			wants(t, call(s, "GET", "/db/a", "", "Authorization", token), 200, "")
			c.change(t, s)
			w := call(s, "GET", "/db/a", "", "Authorization", token)
			if w.Code != c.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.status)
			}
			if list := must(t, s, testAdmin, 200, "GET", "/_session/tokens?owner=anna", ""); strings.Contains(list, id) != (c.status == 200) || strings.Contains(list, "account") {
				t.Errorf("listed is %s", list)
			}
		})
	}
}

// Only administrators may store a password hash that costs more than the server's own ones,
// because everybody's logins would wait for it.
func TestCostlyHashesAreAdministrators(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "10")})
	wants(t, call(s, "PUT", "/_users", "", "Admin", ""), 201, "")
	signUps(t, s)
	doc := func(name, cost string) string {
		return fmt.Sprintf(`{"_id":"org.couchdb.user:%s","name":%q,"roles":[],"type":"user","password_scheme":%s,"salt":"abc","derived_key":"00112233445566778899aabbccddeeff"}`, name, name, cost)
	}
	for i, cost := range []string{`"pbkdf2","iterations":11`, `"pbkdf2","iterations":10000000`, `"pbkdf2","iterations":1e300`, `"tododb-scrypt"`, `"tododb-argon2id"`} {
		name := fmt.Sprint("eve", i)
		wants(t, call(s, "PUT", "/_users/org.couchdb.user:"+name, doc(name, cost)), 403, "forbidden")
		wants(t, call(s, "POST", "/_users/_bulk_docs", `{"docs":[`+doc(name, cost)+`]}`, "Authorization", basicAuth("admin", "secret")), 201, `"ok":true`)
	}
	wants(t, call(s, "PUT", "/_users/org.couchdb.user:ben", doc("ben", `"pbkdf2","iterations":10`)), 201, "")
	// The hash that an administrator stored stays when its owner changes something else.
	body := must(t, s, testAdmin, 200, "GET", "/_users/org.couchdb.user:eve0", "")
	eve := testEve
	eve.Name = "eve0"
	must(t, s, eve, 201, "PUT", "/_users/org.couchdb.user:eve0", strings.Replace(body, `"type"`, `"likes":"tea","type"`, 1))
	body = must(t, s, testAdmin, 200, "GET", "/_users/org.couchdb.user:eve0", "")
	must(t, s, eve, 403, "PUT", "/_users/org.couchdb.user:eve0", strings.Replace(body, `"iterations":11`, `"iterations":12`, 1))
}

// A name that nobody could log in with is refused for everyone, and nothing changes.
func TestNamesThatCannotLogIn(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/_users", "", "Admin", ""), 201, "")
	signUps(t, s)
	before := must(t, s, testAdmin, 200, "GET", "/_node/_local/_config", "")
	for name, path := range map[string]string{"co:lon": "co%3Alon", "a\u0007b": "a%07b", "a\u0085b": "a%C2%85b", "a\nb": "a%0Ab"} {
		wants(t, call(s, "PUT", "/_node/_local/_config/admins/"+path, `"secret"`, "Admin", ""), 400, "bad_request")
		setup := fmt.Sprintf(`{"action":"enable_single_node","username":%s,"password":"x","bind_address":"127.0.0.9","port":1}`, wire.AppendString(nil, name))
		wants(t, call(s, "POST", "/_cluster_setup", setup, "Admin", ""), 400, "bad_request")
		user := fmt.Sprintf(`{"name":%s,"password":"x","roles":[],"type":"user"}`, wire.AppendString(nil, name))
		wants(t, call(s, "PUT", "/_users/org.couchdb.user:"+path, user), 403, "forbidden")
		wants(t, call(s, "PUT", "/_users/org.couchdb.user:"+path, user, "Admin", ""), 403, "forbidden")
	}
	wants(t, call(s, "PUT", "/_node/_local/_config/admins/a%FFb", `"secret"`, "Admin", ""), 400, "bad_request")
	if after := must(t, s, testAdmin, 200, "GET", "/_node/_local/_config", ""); after != before {
		t.Errorf("the settings were\n%s\nand are\n%s", before, after)
	}
}

// A request's headers about its way here count only if it comes from a trusted proxy.
func TestWhoseForwardedHostIsBelieved(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]string{"": "http://example.com/", "10.0.0.0/8": "http://example.com/", "192.0.2.0/24": "https://other.example/"} {
		s := openServer(t, Options{Config: settings(t, "limits/trusted_proxies", trusted)})
		w := call(s, "PUT", "/db", "", "Admin", "", "X-Forwarded-Host", "other.example", "X-Forwarded-Proto", "https")
		if got := w.Header().Get("Location"); got != want+"db" {
			t.Errorf("with %q: %q", trusted, got)
		}
	}
}

// An account is read as it was judged. A member whose name differs from roles, or from a hash's
// cost, only in case means nothing.
func TestAccountsAreReadAsTheyWereJudged(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{Config: settings(t, quickHashes...)}, "anna")
	signUps(t, s)
	for i, more := range []string{`"Roles":["boss"]`, `"ROLES":["boss"]`, `"role\u017f":["boss"]`, `"Iterations":5000000`, `"PBKDF2_PRF":"none"`, `"Salt":""`} {
		name := fmt.Sprintf("new%d", i)
		path := "/_users/org.couchdb.user:" + name
		wants(t, call(s, "PUT", path, fmt.Sprintf(`{"name":%q,"type":"user","roles":[],%s,"password":"newpw"}`, name, more)), 201, "")
		w := call(s, "GET", "/_session", "", "Authorization", basicAuth(name, "newpw"))
		wants(t, w, 200, `"roles":[]`)
		// The user's own document, with another such member after the ones that count.
		own := call(s, "GET", path, "", "Authorization", basicAuth(name, "newpw")).Body.String()
		wants(t, call(s, "PUT", path, strings.TrimSuffix(strings.TrimSpace(own), "}")+`,"rOLES":["boss"]}`, "Authorization", basicAuth(name, "newpw")), 201, "")
		wants(t, call(s, "GET", "/_session", "", "Authorization", basicAuth(name, "newpw")), 200, `"roles":[]`)
	}
}
