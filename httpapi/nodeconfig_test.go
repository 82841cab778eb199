package httpapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/auth"
)

func TestConfigEndpoints(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{Reload: func() error { return errors.New("read settings: nothing there") }})
	const base = "/_node/nonode@nohost/_config"
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // the body, or a part of it after a tilde
	}{
		{"GET", "/chttpd/port", "", 200, `"5984"`},
		{"PUT", "/couchdb/max_document_size", `"50000000"`, 200, `""`},
		{"PUT", "/couchdb/max_document_size", `" 60000000 "`, 200, `"50000000"`},
		{"PUT", "/couchdb/max_document_size?raw=true", "70000000\n", 200, `"60000000"`},
		{"GET", "/couchdb/max_document_size", "", 200, `"70000000"`},
		{"DELETE", "/couchdb/max_document_size", "", 200, `"70000000"`},
		{"DELETE", "/couchdb/max_document_size", "", 404, `{"error":"not_found","reason":"unknown_config_value"}`},
		{"GET", "/couchdb/max_document_size", "", 404, `{"error":"not_found","reason":"unknown_config_value"}`},
		{"GET", "/cors/origins", "", 404, `{"error":"not_found","reason":"unknown_config_value"}`},
		{"PUT", "/cors/origins", `"*"`, 200, `""`},
		{"GET", "/cors", "", 200, `{"origins":"*"}`},
		{"PUT", "/cors/headers", `"\"\"\"x"`, 200, `""`},
		{"GET", "/cors", "", 200, `{"headers":"\"\"\"x","origins":"*"}`},
		{"GET", "/none", "", 200, `{}`},
		{"GET", "/none/none", "", 404, `~unknown_config_value`},
		{"DELETE", "/none/none", "", 404, `~unknown_config_value`},
		{"PUT", "/none/none", `" x\t "`, 200, `""`},
		{"PUT", "/none/none", `"y"`, 200, `"x"`},
		{"PUT", "/none/none", `""`, 200, `"y"`},
		{"GET", "/none", "", 200, `{"none":""}`},
		{"DELETE", "/none/none", "", 200, `""`},
		{"PUT", "/chttpd/prot", `"x"`, 200, `""`},
		{"DELETE", "/chttpd/prot", "", 200, `"x"`},
		{"PUT", "/a%5D/b", `"x"`, 400, `{"error":"bad_request","reason":"Invalid configuration section"}`},
		{"PUT", "/a/b%0A", `"x"`, 400, `{"error":"bad_request","reason":"Invalid configuration key"}`},
		{"PUT", "/a/b", `"x\ny"`, 400, `{"error":"bad_request","reason":"Invalid configuration value"}`},
		{"PUT", "/a/b", `"x\ud800"`, 400, `~bad_request`},
		{"PUT", "/a/b", `"` + strings.Repeat("x", 65537) + `"`, 400, `~Invalid configuration value`},
		{"PUT", "/a/a=b", `"=c "`, 200, `""`},
		{"GET", "/a", "", 200, `{"a=b":"=c"}`},
		{"PUT", "/query_servers/perl", `7`, 403, `~blacklisted`},
		{"DELETE", "/feature_flags/partitioned%7C%7C*", "", 403, `~blacklisted`},
		{"PUT", "/chttpd/port", `"x"`, 400, `{"error":"bad_request","reason":"[chttpd] port = \"x\" is not a port from 0 to 65535"}`},
		{"PUT", "/chttpd/port", `5984`, 400, `~is a JSON string`},
		{"PUT", "/chttpd/port", `{`, 400, `~invalid UTF-8 JSON`},
		{"PUT", "/chttpd_auth/secret", `"new"`, 200, `""`},
		{"PUT", "/chttpd_auth/secret", `"newer"`, 200, `"****"`},
		{"GET", "/chttpd_auth/secret", "", 200, `"****"`},
		{"PUT", "/chttpd_auth/secret", `"****"`, 400, `~cannot be a value`},
		{"PUT", "/admins/anna", `""`, 400, `~cannot be empty`},
		{"PUT", "/admins/anna", `"-pbkdf2-x"`, 400, `~not a password hash`},
		{"DELETE", "/admins/admin", "", 400, `~the only administrator`},
		{"DELETE", "/admins/nobody", "", 404, `~unknown_config_value`},
		{"POST", "", "{}", 405, `~Only GET allowed`},
		{"PUT", "/cors", `"x"`, 405, `~Only GET allowed`},
		{"POST", "/cors/origins", `"x"`, 405, `~Only GET,PUT,DELETE allowed`},
		{"GET", "/_reload", "", 405, `~Only POST allowed`},
		{"POST", "/_reload", "{}", 500, `~unexpected error`},
		{"PUT", "/audit/file", `"/dev/null"`, 403, `~[audit] file is set in the server's files`},
		{"DELETE", "/audit/revisions", "", 403, `~[audit] revisions is set in`},
		{"GET", "/a/b/c", "", 404, `{"error":"not_found","reason":"missing"}`},
	} {
		w := call(s, c.method, base+c.path, c.body, "Admin", "")
		body := strings.TrimSuffix(w.Body.String(), "\n")
		part, is := strings.CutPrefix(c.want, "~")
		if w.Code != c.status || !is && body != c.want || is && !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), part) {
			t.Errorf("%s %s %s: %d %s\nwant %d %s", c.method, c.path, c.body, w.Code, body, c.status, c.want)
		}
		if w := call(s, c.method, base+c.path, c.body); w.Code != 401 {
			t.Errorf("%s %s by nobody: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}

// The passwords of administrators are hashed when they arrive. No answer shows them or the
// hashes.
func TestAdministratorsByConfig(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	const path = "/_node/_local/_config/admins"
	if w := call(s, "PUT", path+"/anna", `"anna's"`, "Admin", ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `""` {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if kept := s.Config.Section("admins")["anna"]; !auth.IsHash(kept) {
		t.Errorf("kept as %q", kept)
	}
	if w := call(s, "GET", "/_all_dbs", "", "Authorization", basicAuth("anna", "anna's")); w.Code != 200 {
		t.Errorf("the new administrator: %d %s", w.Code, w.Body)
	}
	if w := call(s, "GET", path, "", "Admin", ""); strings.TrimSpace(w.Body.String()) != `{"admin":"****","anna":"****"}` {
		t.Errorf("%s", w.Body)
	}
	if w := call(s, "DELETE", path+"/anna", "", "Admin", ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `"****"` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := call(s, "GET", "/_all_dbs", "", "Authorization", basicAuth("anna", "anna's")); w.Code != 401 {
		t.Errorf("the former administrator: %d %s", w.Code, w.Body)
	}
}

// The requests of obsidian-livesync's set-up, in its order, and what it finds afterwards.
func TestLivesyncSetUp(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	ok := func(method, path, body string, want int) string {
		t.Helper()
		w := call(s, method, path, body, "Admin", "")
		if w.Code != want {
			t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
		return strings.TrimSpace(w.Body.String())
	}
	ok("GET", "/_up", "", 200)
	if got := ok("GET", "/_cluster_setup", "", 200); got != `{"state":"single_node_disabled"}` {
		t.Errorf("before: %s", got)
	}
	ok("POST", "/_cluster_setup", `{"action":"enable_single_node","username":"admin","password":"secret","bind_address":"0.0.0.0","port":5984,"singlenode":true}`, 201)
	if got := ok("GET", "/_cluster_setup", "", 200); got != `{"state":"single_node_enabled"}` {
		t.Errorf("after: %s", got)
	}
	for _, one := range [][2]string{
		{"chttpd/require_valid_user", "true"}, {"chttpd_auth/require_valid_user", "true"}, {"httpd/WWW-Authenticate", `Basic realm=\"couchdb\"`},
		{"httpd/enable_cors", "true"}, {"chttpd/enable_cors", "true"}, {"chttpd/max_http_request_size", "4294967296"},
		{"couchdb/max_document_size", "50000000"}, {"cors/credentials", "true"}, {"cors/origins", "app://obsidian.md,capacitor://localhost,http://localhost"},
	} {
		ok("PUT", "/_node/_local/_config/"+one[0], `"`+one[1]+`"`, 200)
		if got := ok("GET", "/_node/_local/_config/"+one[0], "", 200); got != `"`+one[1]+`"` {
			t.Errorf("%s is %s", one[0], got)
		}
	}
	var all map[string]map[string]string // all values are strings
	if err := json.Unmarshal([]byte(ok("GET", "/_node/_local/_config", "", 200)), &all); err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{"admins", "chttpd", "chttpd_auth", "couchdb", "cors", "httpd"} {
		if len(all[section]) == 0 {
			t.Errorf("there is no section %s", section)
		}
	}
	for _, origin := range []string{"app://obsidian.md", "capacitor://localhost", "http://localhost"} {
		h := call(s, "OPTIONS", "/vault/doc", "", "Origin", origin, "Access-Control-Request-Method", "PUT").Header()
		if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("%s: %v", origin, h)
		}
	}
	if w := call(s, "GET", "/_all_dbs", ""); w.Code != 401 || w.Header().Get("Www-Authenticate") != `Basic realm="couchdb"` {
		t.Errorf("without credentials: %d %v", w.Code, w.Header())
	}
	ok("PUT", "/vault", "", 201)
	ok("PUT", "/vault/large", `{"data":"`+strings.Repeat("x", 9_000_000)+`"}`, 201)
}

func TestClusterSetup(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"action":"enable_single_node","port":"x"}`, 400, "a port"},
		{`{"action":"enable_single_node","port":[]}`, 400, "port must be a number"},
		{`{"action":"enable_single_node","username":"anna"}`, 400, "both username and password"},
		{`{"action":"enable_single_node","username":7}`, 400, "wrong types"},
		{`{"action":"enable_single_node","ensure_dbs_exist":["No"]}`, 400, "illegal_database_name"},
		{`{"action":"enable_cluster"}`, 501, "not_implemented"},
		{`{"action":"dance"}`, 400, "Invalid Action"},
		{`{`, 400, "invalid UTF-8 JSON"},
		{`{"action":"finish_cluster"}`, 201, `{"ok":true}`},
		{`{"action":"finish_cluster"}`, 400, "already finished"},
		{`{"action":"enable_single_node","ensure_dbs_exist":["extra"],"port":"15984"}`, 201, `{"ok":true}`},
	} {
		if w := call(s, "POST", "/_cluster_setup", c.body, "Admin", ""); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.body, w.Code, w.Body)
		}
	}
	if w := call(s, "GET", `/_cluster_setup?ensure_dbs_exist=["extra","more"]`, "", "Admin", ""); !strings.Contains(w.Body.String(), "single_node_disabled") {
		t.Errorf("%s", w.Body)
	}
	if got := s.Config.String("chttpd", "port"); got != "15984" {
		t.Errorf("port %s", got)
	}
	for _, method := range []string{"GET", "POST"} {
		if w := call(s, method, "/_cluster_setup", ""); w.Code != 401 {
			t.Errorf("%s by nobody: %d", method, w.Code)
		}
	}
}
