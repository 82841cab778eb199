package config_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tododb/tododb/httpapi"
	"github.com/tododb/tododb/httpapi/config"
	"github.com/tododb/tododb/httpapi/httpapitest"
	"github.com/tododb/tododb/httpapi/peruser"
)

// site is a server on which the effect of one setting is looked at.
type site struct {
	*testing.T
	*httpapitest.Server
}

// set changes a setting as an administrator does.
func (s site) set(name, value string) {
	s.Helper()
	body, err := json.Marshal(value)
	if err != nil {
		s.Fatal(err)
	}
	w := httpapitest.Call(s.Server, "PUT", "/_node/_local/_config/"+name, string(body), "Admin", "")
	if w.Code != http.StatusOK {
		s.Fatalf("%s = %s: %d %s", name, value, w.Code, w.Body)
	}
}

// admin asks as the administrator, and wants a status and a part of the body.
func (s site) admin(method, path, body string, status int, part string, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	return s.ask(method, path, body, status, part, append(headers, "Admin", "")...)
}

func (s site) ask(method, path, body string, status int, part string, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	w := httpapitest.Call(s.Server, method, path, body, headers...)
	if w.Code != status || !strings.Contains(w.Body.String(), part) {
		s.Errorf("%s %s %s: %d %s, want %d and %q", method, path, body, w.Code, w.Body, status, part)
	}
	return w
}

// has wants a header of an answer.
func (s site) has(w *httptest.ResponseRecorder, name, value string) {
	s.Helper()
	if got := w.Header().Get(name); got != value {
		s.Errorf("%s is %q, want %q", name, got, value)
	}
}

// user makes a user whose password is the name and pw.
func (s site) user(name string) { s.Helper(); httpapitest.PutUser(s.T, s.Server, name, "[]") }

func (s site) login(name string) *httptest.ResponseRecorder {
	s.Helper()
	return s.ask("POST", "/_session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, name+"pw"), 200, "")
}

// page asks for the web page as a browser does, whether it was built or not.
func (s site) page() *httptest.ResponseRecorder {
	return httpapitest.Call(s.Server, "GET", "/_utils/", "", "Accept", "text/html")
}

// Every setting that works is set over HTTP here and its effect seen, or a test is named that
// does it. A test is DIR.NAME, or DIR.PART of several.
func TestEverySettingHasItsEffect(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range config.All() {
		name := row.Section + "/" + row.Name.Name
		if row.Is(config.Inert) || row.Is(config.Refused) || config.NewerSection(row.Section) != "" {
			continue
		}
		seen[name] = true
		effect, has := effects[name]
		by, referred := seenBy[name]
		if strings.HasPrefix(row.Section, "smoosh") { // all channels have the same names
			by, referred = "cmd/tododb.TestSettingsOfUpkeep", true
		}
		switch {
		case has && referred:
			t.Errorf("%s has a case and names a test", name)
		case has:
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				quick := httpapitest.Settings(t, httpapitest.QuickHashes...)
				s := httpapitest.OpenWithUsers(t, httpapi.Options{Config: quick})
				s.Create(t, "db")
				effect(site{t, s})
			})
		case referred:
			if !isTested(t, by, row.Name.Name) {
				t.Errorf("%s: there is no test %s that knows it", name, by)
			}
		default:
			t.Errorf("%s has no case here: who sees that it works?", name)
		}
	}
	for name := range effects {
		if !seen[name] {
			t.Errorf("there is no setting %s that works", name)
		}
	}
	for name := range seenBy {
		if !seen[name] {
			t.Errorf("there is no setting %s that works", name)
		}
	}
}

// isTested tells whether there is a test DIR.NAME in a file that knows a setting.
func isTested(t *testing.T, test, setting string) bool {
	dir, name, _ := strings.Cut(test, ".")
	files, err := filepath.Glob("../../" + dir + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if setting == config.Any {
			setting = ""
		}
		if strings.Contains(string(text), "\nfunc "+name+"(t *testing.T)") && strings.Contains(string(text), setting) {
			return true
		}
	}
	return false
}

// A setting without effect is kept as it is, and one that is refused has one value.
func TestSettingsWithoutEffect(t *testing.T) {
	s := site{t, httpapitest.Open(t, httpapi.Options{})}
	n := 0
	for _, row := range config.All() {
		name, value := row.Name.Name, "whatever"
		if name == config.Any {
			name = "any"
		}
		path := "/_node/_local/_config/" + row.Section + "/" + name
		switch {
		case row.Is(config.Inert) && (row.Section == "native_query_servers" || row.Section == "feature_flags"):
			s.admin("PUT", path, `"x"`, 403, "blacklisted")
		case row.Is(config.Inert):
			s.admin("PUT", path, `"`+value+`"`, 200, `""`)
			s.admin("GET", path, "", 200, `"`+value+`"`)
			n++
		case row.Is(config.Refused):
			s.admin("PUT", path, `"`+value+`"`, 400, row.Section)
			s.admin("PUT", path, `"`+row.Default+`"`, 200, "")
			n++
		}
	}
	if n < 50 {
		t.Errorf("only %d settings", n)
	}
}

// What older programs write into the section of CouchDB 1 counts while its own section does not
// say otherwise.
func TestOlderSections(t *testing.T) {
	n := 0
	for _, row := range config.All() {
		newer := config.Name{Section: config.NewerSection(row.Section), Name: row.Name.Name}
		if newer.Section == "" || row.Is(config.Inert) {
			continue
		}
		var values []string
		for _, value := range []string{"false", "true", "7", "8", "x", "y", "sha", "sha512", "lax", "strict", "[a]", "[b]", "tododb-scrypt", "tododb-argon2id"} {
			if value != row.Default && config.Takes(row.Name, value) {
				values = append(values, value)
			}
		}
		if len(values) == 0 {
			t.Errorf("no value for %s", row.Name)
			continue
		}
		c := httpapitest.Settings(t, row.Section+"/"+row.Name.Name, values[0])
		if got := c.String(newer.Section, newer.Name); got != values[0] {
			t.Errorf("%s = %s is not heeded: %s is %q", row.Name, values[0], newer, got)
		}
		own := values[len(values)-1]
		if own == values[0] && row.Default != "" {
			own = row.Default
		}
		httpapitest.Set(t, c, newer.Section+"/"+newer.Name, own)
		if got := c.String(newer.Section, newer.Name); got != own {
			t.Errorf("%s = %s counts although %s = %s: %q", row.Name, values[0], newer, own, got)
		}
		n++
	}
	if n < 30 {
		t.Errorf("only %d settings", n)
	}
}

// docOf is a document of some bytes.
func docOf(size int) string { return `{"x":"` + strings.Repeat("x", size) + `"}` }

// proxied are headers that a proxy sends.
var proxied = []string{"X-Forwarded-Host", "outside.example", "Forwarded-As", "other.example"}

// effects has a case for each setting, by section and name.
var effects = map[string]func(s site){
	"couchdb/max_document_size": func(s site) {
		s.admin("PUT", "/db/a", docOf(2000), 201, "")
		s.set("couchdb/max_document_size", "1000")
		s.admin("PUT", "/db/b", docOf(2000), 413, "document_too_large")
	},
	"couchdb/max_document_id_length": func(s site) {
		s.set("couchdb/max_document_id_length", "3")
		s.admin("PUT", "/db/abcd", `{}`, 400, "illegal_docid")
		s.admin("PUT", "/db/abc", `{}`, 201, "")
	},
	"couchdb/max_attachment_size": func(s site) {
		s.set("couchdb/max_attachment_size", "10")
		s.admin("PUT", "/db/a/f", strings.Repeat("x", 11), 413, "attachment_too_large", "Content-Type", "text/plain")
		s.set("couchdb/max_attachment_size", "infinity")
		s.admin("PUT", "/db/a/f", strings.Repeat("x", 11), 201, "", "Content-Type", "text/plain")
	},
	"couchdb/users_db_security_editable": func(s site) {
		s.admin("PUT", "/_users/_security", `{}`, 403, "You can't edit")
		s.set("couchdb/users_db_security_editable", "true")
		s.admin("PUT", "/_users/_security", `{}`, 200, "ok")
	},
	"couchdb/default_security": func(s site) {
		s.set("couchdb/default_security", "everyone")
		s.admin("PUT", "/open", "", 201, "")
		s.ask("GET", "/open", "", 200, "open")
		s.ask("GET", "/db", "", 401, "unauthorized")
		s.admin("DELETE", "/_replicator", "", 200, "")
		s.admin("PUT", "/_replicator", "", 201, "")
		s.ask("GET", "/_replicator", "", 401, "unauthorized")
		s.admin("GET", "/open/_security", "", 200, "{}")
		s.set("couchdb/default_security", "admin_only")
		s.admin("PUT", "/closed", "", 201, "")
		s.ask("GET", "/closed", "", 401, "unauthorized")
		s.ask("GET", "/open", "", 200, "open")
	},
	"couchdb/maintenance_mode": func(s site) {
		s.set("couchdb/maintenance_mode", "true")
		s.ask("GET", "/_up", "", 404, `{"status":"maintenance_mode"}`)
		s.set("couchdb/maintenance_mode", "nolb")
		s.ask("GET", "/_up", "", 404, `{"status":"nolb"}`)
		s.set("couchdb/maintenance_mode", "false")
		s.ask("GET", "/_up", "", 200, "ok")
	},
	"chttpd/decode_plus_to_space": func(s site) {
		s.admin("PUT", "/db/a+b", `{}`, 201, `"a b"`)
		s.set("chttpd/decode_plus_to_space", "false")
		s.admin("GET", "/db/a+b", "", 404, "missing")
		s.admin("PUT", "/db/a+b", `{}`, 201, `"a+b"`)
		s.admin("PUT", "/db/c/d+e", "x", 201, "", "Content-Type", "text/plain")
		s.admin("GET", "/db/c", "", 200, `"d+e"`)
		s.admin("COPY", "/db/a+b", "", 201, `"x+y"`, "Destination", "x+y")
		s.admin("GET", "/db/_all_docs?key=%22a+b%22", "", 200, `"a b"`)
	},
	"chttpd/x_forwarded_host": func(s site) {
		s.has(s.admin("PUT", "/db/a", `{}`, 201, "", proxied...), "Location", "http://example.com/db/a")
		s.set("limits/trusted_proxies", "192.0.2.1")
		s.has(s.admin("PUT", "/db/b", `{}`, 201, "", proxied...), "Location", "http://outside.example/db/b")
		s.set("chttpd/x_forwarded_host", "Forwarded-As")
		s.has(s.admin("PUT", "/db/c", `{}`, 201, "", proxied...), "Location", "http://other.example/db/c")
	},
	"chttpd/x_forwarded_proto": func(s site) {
		s.set("limits/trusted_proxies", "192.0.2.1")
		s.set("chttpd/x_forwarded_proto", "Proto")
		s.has(s.admin("PUT", "/db/a", `{}`, 201, "", "Proto", "https"), "Location", "https://example.com/db/a")
		s.has(s.admin("PUT", "/db/b", `{}`, 201, "", "X-Forwarded-Proto", "https"), "Location", "http://example.com/db/b")
	},
	"chttpd/x_forwarded_ssl": func(s site) {
		s.set("limits/trusted_proxies", "192.0.2.1")
		s.set("chttpd/x_forwarded_ssl", "Ssl")
		s.has(s.admin("PUT", "/db/a", `{}`, 201, "", "Ssl", "on"), "Location", "https://example.com/db/a")
		s.has(s.admin("PUT", "/db/b", `{}`, 201, "", "X-Forwarded-Ssl", "on"), "Location", "http://example.com/db/b")
	},
	"chttpd/max_db_number_for_dbs_info_req": func(s site) {
		s.admin("POST", "/_dbs_info", `{"keys":["db","db"]}`, 200, "db")
		s.set("chttpd/max_db_number_for_dbs_info_req", "1")
		s.admin("POST", "/_dbs_info", `{"keys":["db","db"]}`, 400, "too_many_keys")
	},
	"chttpd/max_uri_length": func(s site) {
		s.user("anna")
		s.set("chttpd/max_uri_length", "50")
		s.admin("GET", "/db/_all_docs?key=%22"+strings.Repeat("x", 50)+"%22", "", 414, "too_long")
		s.admin("GET", "/db/_all_docs", "", 200, "rows")
		s.set("chttpd/max_uri_length", "1")
		s.admin("GET", "/db", "", 414, "too_long")
		s.admin("GET", "/_node/_local", "", 414, "too_long")
		s.ask("GET", "/_up", "", 200, "ok")
		s.login("anna")
		s.ask("GET", "/_up?x="+strings.Repeat("x", 1024), "", 414, "too_long")
		s.admin("DELETE", "/_node/_local/_config/chttpd/max_uri_length", "", 200, `"1"`)
		s.admin("GET", "/db", "", 200, "db")
	},
	"chttpd/changes_timeout": func(s site) {
		s.set("chttpd/changes_timeout", "1")
		s.admin("GET", "/db/_changes?feed=longpoll", "", 200, `"results"`)
		s.admin("GET", "/_db_updates?feed=longpoll&since=now", "", 200, `"results"`)
	},
	"chttpd/rewrite_limit": func(s site) {
		s.admin("PUT", "/db/_design/d", `{"rewrites":[{"from":"/once","to":"_rewrite/twice"},{"from":"/twice","to":"../../a"}]}`, 201, "")
		s.admin("PUT", "/db/a", `{"n":1}`, 201, "")
		s.admin("GET", "/db/_design/d/_rewrite/once", "", 200, `"n":1`)
		s.set("chttpd/rewrite_limit", "1")
		s.admin("GET", "/db/_design/d/_rewrite/once", "", 400, "recursion")
		s.admin("GET", "/db/_design/d/_rewrite/twice", "", 200, `"n":1`)
	},
	"chttpd/secure_rewrites": func(s site) {
		s.Create(s.T, "other")
		s.admin("PUT", "/other/a", `{"n":2}`, 201, "")
		s.admin("PUT", "/db/_design/d", `{"rewrites":[{"from":"/out","to":"../../../other/a"},{"from":"/dbs","to":"../../../_all_dbs"}]}`, 201, "")
		s.admin("PUT", "/db/_security", `{}`, 200, "")
		s.admin("GET", "/db/_design/d/_rewrite/out", "", 500, "insecure_rewrite_rule")
		s.set("chttpd/secure_rewrites", "false")
		s.admin("GET", "/db/_design/d/_rewrite/out", "", 200, `"n":2`)
		s.ask("GET", "/db/_design/d/_rewrite/out", "", 401, "unauthorized")
		s.ask("GET", "/db/_design/d/_rewrite/dbs", "", 401, "unauthorized")
	},
	"chttpd/config_whitelist": func(s site) {
		s.set("chttpd/config_whitelist", "[{chttpd,config_whitelist}, {log,level}]")
		s.set("log/level", "error")
		s.admin("PUT", "/_node/_local/_config/log/filter_fields", `"x"`, 400, "modification_not_allowed")
		s.admin("DELETE", "/_node/_local/_config/admins/admin", "", 400, "modification_not_allowed")
		s.set("chttpd/config_whitelist", "")
		s.set("log/filter_fields", "x")
	},
	"chttpd/prefer_minimal": func(s site) {
		few := s.admin("GET", "/db", "", 200, "", "Prefer", "return=minimal")
		if few.Header().Get("Server") == "" || few.Header().Get("X-Couch-Request-Id") != "" || few.Header().Get("X-Content-Type-Options") == "" {
			s.Errorf("%v", few.Header())
		}
		s.set("chttpd/prefer_minimal", "x-couch-request-id, Content-Type")
		few = s.admin("GET", "/db", "", 200, "", "Prefer", "return=minimal")
		if few.Header().Get("Server") != "" || few.Header().Get("X-Couch-Request-Id") == "" {
			s.Errorf("%v", few.Header())
		}
		if all := s.admin("GET", "/db", "", 200, ""); all.Header().Get("Server") == "" {
			s.Errorf("%v", all.Header())
		}
	},
	"chttpd/admin_only_all_dbs": func(s site) {
		s.Create(s.T, "open")
		s.admin("PUT", "/open/_security", `{}`, 200, "")
		s.ask("GET", "/_all_dbs", "", 401, "not a server admin")
		s.set("chttpd/admin_only_all_dbs", "false")
		s.ask("GET", "/_all_dbs", "", 200, `"open"`)
		s.ask("POST", "/_dbs_info", `{"keys":["db","open"]}`, 200, `[{"key":"db","error":"forbidden"},{"key":"open","info":{`)
		s.ask("GET", "/_dbs_info", "", 200, `[{"key":"open",`)
	},
	"chttpd/server_header_versions": func(s site) {
		s.set("chttpd/server_header_versions", "false")
		s.has(s.ask("GET", "/", "", 200, ""), "Server", "CouchDB")
	},
	"chttpd/enable_xframe_options": func(s site) {
		s.has(s.ask("GET", "/", "", 200, ""), "X-Frame-Options", "")
		s.set("chttpd/enable_xframe_options", "true")
		s.has(s.ask("GET", "/", "", 200, ""), "X-Frame-Options", "DENY")
	},
	"x_frame_options/same_origin": func(s site) {
		s.set("chttpd/enable_xframe_options", "true")
		s.set("x_frame_options/same_origin", "true")
		s.has(s.ask("GET", "/", "", 200, ""), "X-Frame-Options", "SAMEORIGIN")
	},
	"x_frame_options/hosts": func(s site) {
		s.set("chttpd/enable_xframe_options", "true")
		s.set("x_frame_options/hosts", "https://a.example, http://example.com")
		s.has(s.ask("GET", "/", "", 200, ""), "X-Frame-Options", "ALLOW-FROM http://example.com")
	},
	"chttpd/max_http_request_size": func(s site) {
		s.set("chttpd/max_http_request_size", "100")
		s.admin("POST", "/db/_bulk_docs", `{"docs":[`+docOf(200)+`]}`, 413, "too_large")
	},
	"chttpd/enable_cors": func(s site) {
		s.set("cors/origins", "http://a.example")
		s.has(s.ask("GET", "/", "", 200, "", "Origin", "http://a.example"), "Access-Control-Allow-Origin", "")
		s.set("chttpd/enable_cors", "true")
		s.has(s.ask("GET", "/", "", 200, "", "Origin", "http://a.example"), "Access-Control-Allow-Origin", "http://a.example")
	},
	"cors/origins": func(s site) {
		s.set("chttpd/enable_cors", "true")
		s.set("cors/origins", "http://a.example, http://b.example")
		s.has(s.ask("GET", "/", "", 200, "", "Origin", "http://b.example"), "Access-Control-Allow-Origin", "http://b.example")
		s.has(s.ask("GET", "/", "", 200, "", "Origin", "http://c.example"), "Access-Control-Allow-Origin", "")
		ofOneHost(s)
	},
	"cors/credentials": func(s site) {
		s.set("chttpd/enable_cors", "true")
		s.set("cors/origins", "*")
		s.has(s.ask("GET", "/", "", 200, "", "Origin", "http://b.example"), "Access-Control-Allow-Credentials", "")
		s.set("cors/credentials", "true")
		s.has(s.ask("GET", "/", "", 200, "", "Origin", "http://b.example"), "Access-Control-Allow-Credentials", "true")
	},
	"cors/headers": func(s site) {
		s.set("chttpd/enable_cors", "true")
		s.set("cors/origins", "*")
		s.set("cors/headers", "X-Mine")
		w := s.ask("OPTIONS", "/db", "", 204, "", "Origin", "http://b.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x-mine, x-yours")
		s.has(w, "Access-Control-Allow-Headers", "x-mine")
	},
	"cors/methods": func(s site) {
		s.set("chttpd/enable_cors", "true")
		s.set("cors/origins", "*")
		s.set("cors/methods", "GET,PUT")
		w := s.ask("OPTIONS", "/db", "", 204, "", "Origin", "http://b.example", "Access-Control-Request-Method", "PUT")
		s.has(w, "Access-Control-Allow-Methods", "GET, PUT")
	},
	"cors/max_age": func(s site) {
		s.set("chttpd/enable_cors", "true")
		s.set("cors/origins", "*")
		s.set("cors/max_age", "7")
		w := s.ask("OPTIONS", "/db", "", 204, "", "Origin", "http://b.example", "Access-Control-Request-Method", "PUT")
		s.has(w, "Access-Control-Max-Age", "7")
	},
	"chttpd/authentication_handlers": func(s site) {
		s.user("anna")
		s.ask("GET", "/_session", "", 200, "anna", "Authorization", httpapitest.As("anna"))
		s.set("chttpd/authentication_handlers", "{chttpd_auth, default_authentication_handler}")
		cookie := s.login("anna").Header().Get("Set-Cookie")
		s.ask("GET", "/_session", "", 200, `"name":null`, "Cookie", cookie)
	},
	"chttpd/require_valid_user": func(s site) {
		s.set("chttpd/require_valid_user", "true")
		s.ask("GET", "/", "", 401, "unauthorized")
		s.ask("GET", "/_up", "", 401, "unauthorized")
	},
	"chttpd_auth/require_valid_user": func(s site) {
		s.set("chttpd_auth/require_valid_user", "true")
		s.ask("GET", "/", "", 401, "unauthorized")
	},
	"chttpd/require_valid_user_except_for_up": func(s site) {
		s.set("chttpd/require_valid_user_except_for_up", "true")
		s.ask("GET", "/", "", 401, "unauthorized")
		s.ask("GET", "/_up", "", 200, "ok")
	},
	"chttpd/WWW-Authenticate": func(s site) {
		s.set("chttpd/WWW-Authenticate", `Basic realm="here"`)
		s.has(s.ask("GET", "/_all_dbs", "", 401, ""), "Www-Authenticate", `Basic realm="here"`)
	},
	"csp/utils_enable": func(s site) {
		s.set("csp/utils_enable", "false")
		for _, policy := range s.page().Header()["Content-Security-Policy"] {
			s.Errorf("policy %q", policy)
		}
		s.has(s.page(), "X-Frame-Options", "DENY")
	},
	"csp/utils_header_value": func(s site) {
		s.set("csp/utils_header_value", "default-src 'self'")
		s.has(s.page(), "Content-Security-Policy", "default-src 'self'")
	},
	"csp/attachments_enable": func(s site) {
		s.admin("PUT", "/db/a/f", "x", 201, "", "Content-Type", "text/html")
		s.has(s.admin("GET", "/db/a/f", "", 200, "x"), "Content-Security-Policy", "sandbox")
		s.set("csp/attachments_enable", "false")
		s.has(s.admin("GET", "/db/a/f", "", 200, "x"), "Content-Security-Policy", "")
	},
	"csp/attachments_header_value": func(s site) {
		s.admin("PUT", "/db/a/f", "x", 201, "", "Content-Type", "text/html")
		s.set("csp/attachments_header_value", "sandbox allow-scripts")
		s.has(s.admin("GET", "/db/a/f", "", 200, "x"), "Content-Security-Policy", "sandbox allow-scripts")
	},
	"csp/showlist_enable": func(s site) {
		s.admin("PUT", "/db/_design/d", `{"shows":{"f":"function(){return 'x'}"}}`, 201, "")
		s.has(s.admin("GET", "/db/_design/d/_show/f", "", 200, "x"), "Content-Security-Policy", "sandbox")
		s.set("csp/showlist_enable", "false")
		s.has(s.admin("GET", "/db/_design/d/_show/f", "", 200, "x"), "Content-Security-Policy", "")
	},
	"csp/showlist_header_value": func(s site) {
		s.admin("PUT", "/db/_design/d", `{"views":{"v":{"map":"function(d){emit()}"}},"lists":{"f":"function(){return 'x'}"}}`, 201, "")
		s.set("csp/showlist_header_value", "default-src 'none'")
		s.has(s.admin("GET", "/db/_design/d/_list/f/v", "", 200, "x"), "Content-Security-Policy", "default-src 'none'")
	},
	"chttpd_auth/authentication_db": func(s site) {
		s.user("anna")
		s.Create(s.T, "people")
		s.set("chttpd_auth/authentication_db", "people")
		s.admin("PUT", "/people/org.couchdb.user:ben", `{"name":"ben","password":"benpw","roles":[],"type":"user"}`, 201, "")
		s.ask("GET", "/_session", "", 200, `"authentication_db":"people"`, "Authorization", httpapitest.As("ben"))
		s.ask("GET", "/_session", "", 401, "incorrect", "Authorization", httpapitest.As("anna"))
		s.admin("GET", "/people/org.couchdb.user:ben", "", 200, "derived_key")
		s.admin("PUT", "/people/_security", `{}`, 403, "You can't edit")
		s.ask("GET", "/people/_all_docs", "", 401, "", "Authorization", httpapitest.As("ben"))
		s.set("chttpd_auth/authentication_db", "none")
		s.ask("GET", "/_session", "", 401, "incorrect", "Authorization", httpapitest.As("ben"))
		s.admin("DELETE", "/_node/_local/_config/chttpd_auth/authentication_db", "", 200, "none")
		s.ask("GET", "/_session", "", 200, "anna", "Authorization", httpapitest.As("anna"))
	},
	"chttpd_auth/authentication_redirect": func(s site) {
		s.set("chttpd_auth/authentication_redirect", "/_utils/session.html")
		w := s.ask("GET", "/db/a", "", 302, "unauthorized", "Accept", "text/html,*/*")
		s.has(w, "Location", "http://example.com/_utils/session.html?return=%2Fdb%2Fa&reason=You+are+not+authorized+to+access+this+db.")
		s.ask("GET", "/db/a", "", 401, "unauthorized", "Accept", "text/html, application/json")
		s.ask("GET", "/db/a", "", 401, "unauthorized")
	},
	"chttpd_auth/password_regexp": func(s site) {
		s.set("chttpd_auth/password_regexp", `[{".{10,}", "Min length is 10 chars."}, "^(?=.*\\d)"]`)
		put := func(password string, status int, part string) {
			s.admin("PUT", "/_users/org.couchdb.user:u", fmt.Sprintf(`{"name":"u","roles":[],"type":"user","password":%q}`, password), status, part)
		}
		put("short1", 400, "Password does not conform to requirements. Min length is 10 chars.")
		put("longwithout", 400, `"Password does not conform to requirements."`)
		put("longwith1digit", 201, "")
		s.set("chttpd_auth/password_regexp", "(")
		put("longwith2digits", 403, "Server cannot hash passwords")
	},
	"chttpd_auth/secret": func(s site) {
		s.user("anna")
		cookie := s.login("anna").Header().Get("Set-Cookie")
		s.ask("GET", "/_session", "", 200, "anna", "Cookie", cookie)
		s.set("chttpd_auth/secret", "another")
		s.ask("GET", "/_session", "", 200, `"name":null`, "Cookie", cookie)
	},
	"chttpd_auth/timeout": func(s site) {
		s.user("anna")
		s.set("chttpd_auth/timeout", "77")
		cookieHas(s, "Max-Age=77")
	},
	"chttpd_auth/allow_persistent_cookies": func(s site) {
		s.user("anna")
		s.set("chttpd_auth/allow_persistent_cookies", "false")
		if cookie := s.login("anna").Header().Get("Set-Cookie"); strings.Contains(cookie, "Max-Age") {
			s.Error(cookie)
		}
	},
	"chttpd_auth/same_site": func(s site) {
		s.user("anna")
		s.set("chttpd_auth/same_site", "strict")
		cookieHas(s, "SameSite=Strict")
	},
	"chttpd_auth/cookie_domain": func(s site) {
		s.user("anna")
		s.set("chttpd_auth/cookie_domain", "a.example")
		cookieHas(s, "Domain=a.example")
	},
	"chttpd_auth/hash_algorithms": func(s site) {
		s.user("anna")
		long := func() int { return len(s.login("anna").Header().Get("Set-Cookie")) }
		before := long()
		s.set("chttpd_auth/hash_algorithms", "sha512, sha256")
		if after := long(); after < before+32 {
			s.Errorf("a cookie of %d bytes, formerly %d", after, before)
		}
	},
	"chttpd_auth/password_scheme": func(s site) {
		s.set("chttpd_auth/password_scheme", "tododb-scrypt")
		userHas(s, `"password_scheme":"tododb-scrypt"`)
	},
	"chttpd_auth/pbkdf2_prf": func(s site) { s.set("chttpd_auth/pbkdf2_prf", "sha512"); userHas(s, `"pbkdf2_prf":"sha512"`) },
	"chttpd_auth/iterations": func(s site) { s.set("chttpd_auth/iterations", "17"); userHas(s, `"iterations":17`) },
	"chttpd_auth/min_iterations": func(s site) {
		s.user("anna")
		s.set("chttpd_auth/min_iterations", "1000000")
		s.ask("GET", "/_session", "", 403, "iteration count", "Authorization", httpapitest.As("anna"))
	},
	"chttpd_auth/max_iterations": func(s site) {
		s.set("chttpd_auth/iterations", "17")
		s.user("anna")
		s.set("chttpd_auth/max_iterations", "16")
		s.ask("GET", "/_session", "", 403, "iteration count", "Authorization", httpapitest.As("anna"))
	},
	"chttpd_auth/upgrade_hash_on_auth": func(s site) {
		s.set("chttpd_auth/iterations", "17")
		s.user("anna")
		s.user("ben")
		s.set("chttpd_auth/iterations", "18")
		s.set("chttpd_auth/upgrade_hash_on_auth", "false")
		s.login("anna")
		s.admin("GET", "/_users/org.couchdb.user:anna", "", 200, `"iterations":17`)
		s.set("chttpd_auth/upgrade_hash_on_auth", "true")
		s.login("ben")
		s.admin("GET", "/_users/org.couchdb.user:ben", "", 200, `"iterations":18`)
	},
	"chttpd_auth/users_db_public": func(s site) { publicUsers(s) },
	"chttpd_auth/public_fields":   func(s site) { publicUsers(s) },
	"chttpd_auth/proxy_use_secret": func(s site) {
		s.set("chttpd/authentication_handlers", "{chttpd_auth, proxy_authentication_handler}, {chttpd_auth, default_authentication_handler}")
		s.ask("GET", "/_session", "", 200, `"name":null`, "X-Auth-CouchDB-UserName", "pat")
		s.set("chttpd_auth/proxy_use_secret", "false")
		s.ask("GET", "/_session", "", 200, `"pat"`, "X-Auth-CouchDB-UserName", "pat")
	},
	"chttpd_auth/x_auth_username": func(s site) { proxyHeaders(s) },
	"chttpd_auth/x_auth_roles":    func(s site) { proxyHeaders(s) },
	"chttpd_auth/x_auth_token": func(s site) {
		s.set("chttpd/authentication_handlers", "{chttpd_auth, proxy_authentication_handler}, {chttpd_auth, default_authentication_handler}")
		s.set("chttpd_auth/secret", "abc")
		s.set("chttpd_auth/hash_algorithms", "sha")
		s.set("chttpd_auth/x_auth_token", "X-Token")
		s.ask("GET", "/_session", "", 200, `"name":null`, "X-Auth-CouchDB-UserName", "pat", "X-Token", proxyToken("abc", "eve"))
		s.ask("GET", "/_session", "", 200, `"pat"`, "X-Auth-CouchDB-UserName", "pat", "X-Token", proxyToken("abc", "pat"))
		s.ask("GET", "/_session", "", 200, `"name":null`, "X-Auth-CouchDB-UserName", "pat", "X-Auth-CouchDB-Token", proxyToken("abc", "pat"))
	},
	"limits/user_requests": func(s site) { requestsOfUser(s) },
	"limits/user_burst":    func(s site) { requestsOfUser(s) },
	"limits/bulk_docs": func(s site) {
		s.set("limits/bulk_docs", "1")
		s.admin("POST", "/db/_bulk_docs", `{"docs":[{},{}]}`, 413, "too_large")
	},
	"chttpd_auth_lockout/threshold": func(s site) {
		s.user("anna")
		s.set("chttpd_auth_lockout/threshold", "2")
		for range 2 {
			s.ask("GET", "/_session", "", 401, "incorrect", "Authorization", httpapitest.BasicAuth("anna", "wrong"))
		}
		s.ask("GET", "/_session", "", 403, "locked", "Authorization", httpapitest.As("anna"))
	},
	"chttpd_auth_lockout/mode": func(s site) {
		s.user("anna")
		s.set("chttpd_auth_lockout/mode", "off")
		for range 9 {
			s.ask("GET", "/_session", "", 401, "incorrect", "Authorization", httpapitest.BasicAuth("anna", "wrong"))
		}
		s.ask("GET", "/_session", "", 200, "anna", "Authorization", httpapitest.As("anna"))
	},
	"chttpd_auth_lockout/max_objects": func(s site) {
		s.user("anna")
		s.user("ben")
		s.set("chttpd_auth_lockout/threshold", "1")
		s.set("chttpd_auth_lockout/max_objects", "1")
		s.ask("GET", "/_session", "", 401, "incorrect", "Authorization", httpapitest.BasicAuth("anna", "wrong"))
		s.ask("GET", "/_session", "", 403, "locked", "Authorization", httpapitest.As("anna"))
		s.ask("GET", "/_session", "", 401, "incorrect", "Authorization", httpapitest.BasicAuth("ben", "wrong"))
		s.ask("GET", "/_session", "", 200, "anna", "Authorization", httpapitest.As("anna"))
	},
	"chttpd_auth_lockout/max_lifetime": func(s site) {
		s.user("anna")
		s.set("chttpd_auth_lockout/threshold", "1")
		s.set("chttpd_auth_lockout/max_lifetime", "100")
		s.ask("GET", "/_session", "", 401, "incorrect", "Authorization", httpapitest.BasicAuth("anna", "wrong"))
		soon(s, "the count is forgotten", func() bool {
			return httpapitest.Call(s.Server, "GET", "/_session", "", "Authorization", httpapitest.As("anna")).Code == 200
		})
	},
	"couch_peruser/enable":          func(s site) { userDatabase(s, "userdb-616e6e61") },
	"couch_peruser/database_prefix": func(s site) { s.set("couch_peruser/database_prefix", "of-"); userDatabase(s, "of-616e6e61") },
	"query_server_config/reduce_limit": func(s site) {
		for limit, status := range map[string]int{"true": 500, "log": 200, "false": 200} {
			s := site{s.T, httpapitest.Open(s.T, httpapi.Options{Config: httpapitest.Settings(s.T, "query_server_config/reduce_limit", limit)})}
			s.Create(s.T, "db")
			s.admin("PUT", "/db/_design/d", `{"views":{"v":{"map":"function(d){emit(1,1)}","reduce":"function(){return new Array(6000).join('x')}"}}}`, 201, "")
			s.admin("PUT", "/db/a", `{}`, 201, "")
			if w := httpapitest.Call(s.Server, "GET", "/db/_design/d/_view/v", "", "Admin", ""); w.Code != status && !(limit == "true" && strings.Contains(w.Body.String(), "reduce_overflow_error")) {
				s.Errorf("%s: %d %.200s", limit, w.Code, w.Body)
			} else if limit != "true" && !strings.Contains(w.Body.String(), "xxx") {
				s.Errorf("%s: %.200s", limit, w.Body)
			}
		}
	},
	"query_server_config/query_limit": func(s site) {
		s.admin("PUT", "/db/_design/d", `{"views":{"v":{"map":"function(d){emit(d._id)}"}}}`, 201, "")
		s.admin("POST", "/db/_bulk_docs", `{"docs":[{"_id":"a"},{"_id":"b"},{"_id":"c"}]}`, 201, "")
		s.set("query_server_config/query_limit", "2")
		s.admin("GET", "/db/_design/d/_view/v?limit=3", "", 400, "Limit is too large")
		if w := s.admin("GET", "/db/_design/d/_view/v", "", 200, `"b"`); strings.Contains(w.Body.String(), `"c"`) {
			s.Errorf("%s", w.Body)
		}
	},
	"query_server_config/partition_query_limit": func(s site) {
		s.admin("PUT", "/parted?partitioned=true", "", 201, "")
		s.admin("POST", "/parted/_bulk_docs", `{"docs":[{"_id":"p:a"},{"_id":"p:b"},{"_id":"p:c"}]}`, 201, "")
		s.set("query_server_config/partition_query_limit", "2")
		s.admin("GET", "/parted/_partition/p/_all_docs?limit=3", "", 400, "Limit is too large")
		if w := s.admin("GET", "/parted/_partition/p/_all_docs", "", 200, `"p:b"`); strings.Contains(w.Body.String(), `"p:c"`) {
			s.Errorf("%s", w.Body)
		}
	},
	"jwt_auth/required_claims": func(s site) {
		auth := tokens(s)
		s.ask("GET", "/_session", "", 400, "Missing exp claim", "Authorization", auth(`{"sub":"jo"}`))
		s.set("jwt_auth/required_claims", `iss, {aud, "us"}`)
		s.ask("GET", "/_session", "", 200, `"jo"`, "Authorization", auth(`{"sub":"jo","iss":"x","aud":"us"}`))
		s.ask("GET", "/_session", "", 400, "Invalid aud claim", "Authorization", auth(`{"sub":"jo","iss":"x","aud":"them"}`))
		s.set("jwt_auth/required_claims", "")
		s.ask("GET", "/_session", "", 200, `"jo"`, "Authorization", auth(`{"sub":"jo"}`))
		s.ask("GET", "/_session", "", 401, "nbf not in past", "Authorization", auth(`{"sub":"jo","nbf":4102444800}`))
	},
	"jwt_auth/roles_claim_name": func(s site) {
		auth := tokens(s)
		s.set("jwt_auth/roles_claim_name", "groups")
		s.ask("GET", "/_session", "", 200, `"roles":["r"]`, "Authorization", auth(`{"sub":"jo","exp":4102444800,"groups":["r"],"_couchdb.roles":["q"]}`))
	},
	"jwt_auth/roles_claim_path": func(s site) {
		auth := tokens(s)
		s.set("jwt_auth/roles_claim_path", `a.b\.c`)
		s.ask("GET", "/_session", "", 200, `"roles":["r"]`, "Authorization", auth(`{"sub":"jo","exp":4102444800,"a":{"b.c":["r"]}}`))
	},
	"jwt_keys/*": func(s site) {
		auth := tokens(s)
		s.ask("GET", "/_session", "", 200, `"jo"`, "Authorization", auth(`{"sub":"jo","exp":4102444800}`))
		s.set("jwt_keys/hmac:_default", "YW5vdGhlcg==")
		s.ask("GET", "/_session", "", 400, "Bad", "Authorization", auth(`{"sub":"jo","exp":4102444800}`))
	},
	"device_tokens/lifetime": func(s site) {
		s.user("anna")
		s.set("device_tokens/lifetime", "60")
		tokenEnds(s, `{"databases":["db"],"device":"phone"}`, 201, 60)
	},
	"device_tokens/max_lifetime": func(s site) {
		s.user("anna")
		s.set("device_tokens/max_lifetime", "60")
		tokenEnds(s, `{"databases":["db"],"device":"phone","expires_in":61}`, 400, 0)
	},
	"admins/*": func(s site) {
		s.set("admins/eve", "plain")
		if kept := s.Config.Section("admins")["eve"]; !strings.HasPrefix(kept, "-pbkdf2") {
			s.Errorf("kept as %s", kept)
		}
		s.ask("GET", "/_all_dbs", "", 200, "db", "Authorization", httpapitest.BasicAuth("eve", "plain"))
	},
	"log/level": func(s site) {
		s.set("log/level", "none")
		if s.Config.Level() != config.LevelNone {
			s.Error(s.Config.Level())
		}
	},
	"uuids/algorithm": func(s site) {
		for algorithm, form := range map[string]string{
			"random": "[0-9a-f]{32}", "sequential": "[0-9a-f]{32}", "utc_random": "0[0-9a-f]{31}", "utc_id": "0[0-9a-f]{13}", "uuid_v7": "0[0-9a-f]{11}7[0-9a-f]{19}",
		} {
			s.set("uuids/algorithm", algorithm)
			for _, made := range []string{
				s.admin("POST", "/db", `{}`, 201, "").Body.String(),
				s.admin("POST", "/db/_bulk_docs", `{"docs":[{}]}`, 201, "").Body.String(),
				s.ask("GET", "/_uuids", "", 200, "").Body.String(),
			} {
				if !regexp.MustCompile(`"` + form + `"`).MatchString(made) {
					s.Errorf("%s made %s", algorithm, made)
				}
			}
		}
		s.admin("PUT", "/_node/_local/_config/uuids/algorithm", `"best"`, 400, "one of random, sequential")
	},
	"uuids/utc_id_suffix": func(s site) {
		s.set("uuids/algorithm", "utc_id")
		s.set("uuids/utc_id_suffix", `@"ü/1`)
		s.admin("POST", "/db", `{}`, 201, `@\"ü/1"`)
		s.ask("GET", "/_uuids?count=2", "", 200, `@\"ü/1"]`)
	},
	"uuids/max_count": func(s site) {
		s.set("uuids/max_count", "2")
		s.ask("GET", "/_uuids?count=2", "", 200, "uuids")
		s.ask("GET", "/_uuids?count=3", "", 400, "too large")
	},
	"snapshots/max_size": func(s site) {
		s.admin("GET", "/db/_snapshot", "", 200, "last_seq")
		s.set("snapshots/max_size", "1")
		s.admin("PUT", "/db/a", "{}", 201, "")
		s.admin("GET", "/db/_snapshot", "", 507, "no room")
	},
	"purge/max_document_id_number": func(s site) {
		s.set("purge/max_document_id_number", "1")
		s.admin("POST", "/db/_purge", `{"a":["1-a"],"b":["1-a"]}`, 400, "Exceeded maximum number of documents.")
	},
	"purge/max_revisions_number": func(s site) {
		s.set("purge/max_revisions_number", "1")
		s.admin("POST", "/db/_purge", `{"a":["1-aa","1-bb"]}`, 400, "Exceeded maximum number of revisions.")
		s.set("purge/max_revisions_number", "infinity")
		s.admin("POST", "/db/_purge", `{"a":["1-aa","1-bb"]}`, 201, "purged")
	},
	"mango/default_limit": func(s site) {
		s.admin("POST", "/db/_bulk_docs", `{"docs":[{},{},{}]}`, 201, "")
		s.set("mango/default_limit", "2")
		found(s, `{"selector":{}}`, 2)
		found(s, `{"selector":{},"limit":3}`, 3)
	},
	"mango/index_scan_warning_threshold": func(s site) {
		s.admin("POST", "/db/_bulk_docs", `{"docs":[{"a":1},{},{}]}`, 201, "")
		s.set("mango/index_scan_warning_threshold", "2")
		s.admin("POST", "/db/_find", `{"selector":{"a":1}}`, 200, "documents examined is high")
		s.set("mango/index_scan_warning_threshold", "0")
		if w := s.admin("POST", "/db/_find", `{"selector":{"a":1}}`, 200, ""); strings.Contains(w.Body.String(), "examined") {
			s.Errorf("%s", w.Body)
		}
	},
	"feature_flags/partitioned||*": func(s site) { partitioning(s) },
	"feature_flags/*":              func(s site) { partitioning(s) },
	"vendor/*": func(s site) {
		s.set("vendor/name", "The Shop")
		s.set("vendor/motto", "more")
		s.ask("GET", "/", "", 200, `"vendor":{"motto":"more","name":"The Shop","version":"devel"}`)
	},
}

// ofOneHost sees that a section [cors:HOST] counts for that host, and [cors] for the others and
// for what that section does not say.
func ofOneHost(s site) {
	s.set("cors/credentials", "true")
	s.set("limits/trusted_proxies", "192.0.2.1")
	s.set("cors:notes.example/origins", "http://c.example")
	s.set("cors:notes.example/max_age", "7")
	for host, may := range map[string]string{"notes.example": "http://c.example", "Notes.example:5984": "http://c.example", "other.example": "http://a.example"} {
		for _, origin := range []string{"http://a.example", "http://c.example"} {
			w := s.ask("GET", "/", "", 200, "", "Origin", origin, "X-Forwarded-Host", host)
			want := map[bool]string{true: origin}[origin == may]
			s.has(w, "Access-Control-Allow-Origin", want)
			s.has(w, "Access-Control-Allow-Credentials", map[bool]string{true: "true"}[origin == may])
		}
	}
	s.set("cors:https:%2F%2Flong.example/origins", "http://c.example")
	s.has(s.ask("GET", "/", "", 200, "", "Origin", "http://c.example", "X-Forwarded-Host", "long.example"), "Access-Control-Allow-Origin", "http://c.example")
	s.admin("PUT", "/_node/_local/_config/cors:notes.example/max_age", `"long"`, 400, "max_age")
	s.admin("PUT", "/_node/_local/_config/cors:notes.example/credentials", `"false"`, 200, "")
	s.has(s.ask("GET", "/", "", 200, "", "Origin", "http://c.example", "X-Forwarded-Host", "notes.example"), "Access-Control-Allow-Credentials", "")
}

// userDatabase wants the database of the user anna to be made.
func userDatabase(s site, name string) {
	s.set("couch_peruser/enable", "true")
	ctx, cancel := context.WithCancel(s.Context())
	var running sync.WaitGroup
	running.Go(func() {
		peruser.Run(ctx, peruser.Options{Store: s.Store, Config: s.Config, Log: slog.New(slog.DiscardHandler)})
	})
	defer running.Wait()
	defer cancel()
	s.user("anna")
	soon(s, name+" is there", func() bool {
		return httpapitest.Call(s.Server, "GET", "/"+name, "", "Authorization", httpapitest.As("anna")).Code == 200
	})
}

// partitioning sees that only some databases may be partitioned. Files alone can say so.
func partitioning(s site) {
	s.admin("PUT", "/one?partitioned=true", "", 201, "")
	s.admin("PUT", "/_node/_local/_config/feature_flags/partitioned%7C%7C*", `"false"`, 403, "blacklisted")
	httpapitest.Set(s.T, s.Config, "feature_flags/partitioned||*", "false", "feature_flags/partitioned||may*", "true")
	s.admin("PUT", "/two?partitioned=true", "", 400, "Partitioned feature is not enabled.")
	s.admin("PUT", "/two", "", 201, "")
	s.admin("PUT", "/maybe?partitioned=true", "", 201, "")
}

func cookieHas(s site, part string) {
	s.Helper()
	if cookie := s.login("anna").Header().Get("Set-Cookie"); !strings.Contains(cookie, part) {
		s.Errorf("%s has no %s", cookie, part)
	}
}

func userHas(s site, part string) {
	s.Helper()
	s.user("anna")
	s.admin("GET", "/_users/org.couchdb.user:anna", "", 200, part)
}

// found wants so many documents of a query.
func found(s site, query string, n int) {
	s.Helper()
	var answer struct{ Docs []json.RawMessage }
	if err := json.Unmarshal(s.admin("POST", "/db/_find", query, 200, "").Body.Bytes(), &answer); err != nil || len(answer.Docs) != n {
		s.Errorf("%s: %d documents, %v, want %d", query, len(answer.Docs), err, n)
	}
}

// publicUsers sees that everybody is shown the public fields of users if both settings say so.
func publicUsers(s site) {
	s.user("ben")
	s.set("couchdb/users_db_security_editable", "true")
	s.admin("PUT", "/_users/_security", `{}`, 200, "")
	ask := func(status int, part string) {
		s.Helper()
		s.ask("GET", "/_users/org.couchdb.user:ben", "", status, part)
	}
	ask(404, "missing")
	s.set("chttpd_auth/public_fields", "name")
	ask(404, "missing")
	s.set("chttpd_auth/users_db_public", "true")
	ask(200, `"name":"ben"`)
	s.set("chttpd_auth/public_fields", "")
	ask(404, "missing")
}

// proxyHeaders sees that a proxy names the user and the roles in the headers of the settings.
func proxyHeaders(s site) {
	s.set("chttpd/authentication_handlers", "{chttpd_auth, proxy_authentication_handler}, {chttpd_auth, default_authentication_handler}")
	s.set("chttpd_auth/proxy_use_secret", "false")
	s.set("chttpd_auth/x_auth_username", "X-User")
	s.set("chttpd_auth/x_auth_roles", "X-Roles")
	s.ask("GET", "/_session", "", 200, `"name":"pat","roles":["r","q"]`, "X-User", "pat", "X-Roles", "r,q", "X-Auth-CouchDB-Roles", "p")
}

// requestsOfUser sees that a user may make two requests at once.
func requestsOfUser(s site) {
	s.user("anna")
	s.set("limits/user_requests", "0.001")
	s.set("limits/user_burst", "2")
	for _, status := range []int{200, 200, 429} {
		s.ask("GET", "/_session", "", status, "", "Authorization", httpapitest.As("anna"))
	}
	s.admin("GET", "/_session", "", 200, "")
}

// tokenEnds asks for a device's token and looks at when it ends.
func tokenEnds(s site, request string, status, seconds int) {
	s.Helper()
	s.admin("PUT", "/db/_security", `{"members":{"names":["anna"]}}`, 200, "")
	w := s.ask("POST", "/_session/tokens", request, status, "", "Authorization", httpapitest.As("anna"))
	if status != 201 {
		return
	}
	var token struct{ Expires time.Time }
	if err := json.Unmarshal(w.Body.Bytes(), &token); err != nil {
		s.Fatalf("%v: %s", err, w.Body)
	}
	if left := time.Until(token.Expires); left > time.Duration(seconds)*time.Second || left < time.Duration(seconds-30)*time.Second {
		s.Errorf("lasts %v: %s", left, w.Body)
	}
}

// tokens lets JSON Web Tokens in, and returns what makes a header of claims.
func tokens(s site) func(claims string) string {
	s.set("chttpd/authentication_handlers", "{chttpd_auth, jwt_authentication_handler}, {chttpd_auth, default_authentication_handler}")
	s.set("jwt_keys/hmac:_default", base64.StdEncoding.EncodeToString([]byte("key")))
	return func(claims string) string {
		text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		mac := hmac.New(sha256.New, []byte("key"))
		mac.Write([]byte(text))
		return "Bearer " + text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
}

// proxyToken is what a proxy proves itself with.
func proxyToken(secret, name string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(name))
	return hex.EncodeToString(mac.Sum(nil))
}

// soon wants something to be true before long.
func soon(s site, what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("never: %s", what)
		}
	}
}

// seenBy names the tests that set a setting and see its effect.
var seenBy = map[string]string{
	"tododb/preset":       "cmd/tododb.TestPresetMakesOnlyWhatIsNotThere",
	"tododb/prepared":     "cmd/tododb.TestPresetMakesOnlyWhatIsNotThere",
	"tododb/url":          "cmd/tododb.TestPresetBehindAProxy",
	"snapshots/keep":      "httpapi/snapshot.TestFilesGo",
	"tombstones/interval": "cmd/tododb.TestKillExpiry",
	"disk_monitor/enable": "cmd/tododb.TestDiskMonitor",
	"disk_monitor/background_view_indexing_threshold":    "cmd/tododb.TestDiskMonitor",
	"disk_monitor/interactive_view_indexing_threshold":   "cmd/tododb.TestDiskMonitor",
	"disk_monitor/interactive_database_writes_threshold": "cmd/tododb.TestDiskMonitor",

	"storage/journal":                             "cmd/tododb.TestJournalSetting",
	"couchdb/uri_file":                            "cmd/tododb.TestSettingsOfARunningServer",
	"couchdb/enable_database_recovery":            "cmd/tododb.TestStartsWithCouchDBsFile",
	"couchdb/uuid":                                "cmd/tododb.TestSettingsOfARunningServer",
	"couchdb/max_partition_size":                  "cmd/tododb.TestSettingsOfARunningServer",
	"couchdb/max_dbs_open":                        "cmd/tododb.TestSettingsOfARunningServer",
	"couchdb/os_process_timeout":                  "cmd/tododb.TestSettingsOfTheProgram",
	"chttpd/bind_address":                         "cmd/tododb.TestSettingsOfTheProgram",
	"chttpd/socket":                               "cmd/tododb.TestLocalSocket",
	"chttpd/port":                                 "cmd/tododb.TestSettingsOfTheProgram",
	"ssl/bind_address":                            "cmd/tododb.TestSettingsOfTheProgram",
	"limits/header_timeout":                       "cmd/tododb.TestSettingsOfTheProgram",
	"backup/target":                               "cmd/tododb.TestServerBacksItselfUp",
	"backup/schedule":                             "cmd/tododb.TestServerBacksItselfUp",
	"backup/keep_last":                            "cmd/tododb.TestServerBacksItselfUp",
	"backup/keep_hourly":                          "cmd/tododb.TestBackupSettings",
	"backup/keep_daily":                           "cmd/tododb.TestBackupSettings",
	"backup/keep_weekly":                          "cmd/tododb.TestBackupSettings",
	"backup/keep_monthly":                         "cmd/tododb.TestBackupSettings",
	"backup/keep_yearly":                          "cmd/tododb.TestBackupSettings",
	"backup/keep_within":                          "cmd/tododb.TestBackupSettings",
	"backup/recipients":                           "cmd/tododb.TestServerBacksItselfUp",
	"backup/identity_file":                        "cmd/tododb.TestBackupSettings",
	"backup/s3_region":                            "cmd/tododb.TestBackupSettings",
	"backup/s3_key_file":                          "cmd/tododb.TestServerBacksItselfUp",
	"limits/idle_timeout":                         "cmd/tododb.TestSettingsOfTheProgram",
	"query_server_config/os_process_limit":        "cmd/tododb.TestSettingsOfTheProgram",
	"query_server_config/os_process_idle_limit":   "cmd/tododb.TestSettingsOfTheProgram",
	"query_server_config/os_process_memory_limit": "cmd/tododb.TestSettingsOfTheProgram",
	"query_server_config/os_process_memory_total": "cmd/tododb.TestSettingsOfTheProgram",
	"opentelemetry/endpoint":                      "cmd/tododb.TestSettingsOfTheProgram",
	"opentelemetry/sample_ratio":                  "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/max_jobs":                         "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/interval":                         "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/max_churn":                        "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/startup_jitter":                   "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/max_history":                      "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/checkpoint_interval":              "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/worker_processes":                 "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/worker_batch_size":                "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/http_connections":                 "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/connection_timeout":               "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/retries_per_request":              "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/allowed_networks":                 "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/refused_networks":                 "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/allowed_ports":                    "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/refused_ports":                    "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/verify_ssl_certificates":          "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/ssl_trusted_certificates_file":    "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/update_docs":                      "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/use_checkpoints":                  "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/valid_endpoint_protocols":         "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/valid_proxy_protocols":            "cmd/tododb.TestSettingsOfTheProgram",
	"replicator/cert_file":                        "cmd/tododb.TestCertificatesAsTheSettingsSay",
	"replicator/key_file":                         "cmd/tododb.TestCertificatesAsTheSettingsSay",
	"replicator/password":                         "cmd/tododb.TestCertificatesAsTheSettingsSay",
	"ssl/password":                                "cmd/tododb.TestCertificatesAsTheSettingsSay",
	"ssl/fail_if_no_peer_cert":                    "cmd/tododb.TestCertificatesAsTheSettingsSay",
	"ssl/tls_versions":                            "cmd/tododb.TestCertificatesAsTheSettingsSay",
	"log/writer":                                  "cmd/tododb.TestLogFileAndFiguresPort",
	"log/file":                                    "cmd/tododb.TestLogFileAndFiguresPort",
	"log/write_buffer":                            "cmd/tododb.TestLogFileAndFiguresPort",
	"log/write_delay":                             "cmd/tododb.TestLogFileAndFiguresPort",
	"log/syslog_host":                             "cmd/tododb.TestSettingsOfTheProgram",
	"log/syslog_port":                             "cmd/tododb.TestSettingsOfTheProgram",
	"log/syslog_appid":                            "cmd/tododb.TestSettingsOfTheProgram",
	"log/syslog_facility":                         "cmd/tododb.TestSettingsOfTheProgram",
	"prometheus/additional_port":                  "cmd/tododb.TestLogFileAndFiguresPort",
	"prometheus/port":                             "cmd/tododb.TestLogFileAndFiguresPort",
	"prometheus/bind_address":                     "cmd/tododb.TestSettingsOfTheProgram",
	"couch_peruser/delete_dbs":                    "httpapi.TestDatabasesOfUsers",
	"chttpd/allow_jsonp":                          "httpapi.TestJSONP",
	"vhosts/*":                                    "httpapi.TestVhosts",
	"limits/address_requests":                     "httpapi.TestRateByAddress",
	"limits/address_burst":                        "httpapi.TestRateByAddress",
	"limits/trusted_proxies":                      "httpapi.TestRateByAddress",
	"limits/feeds_per_user":                       "httpapi.TestFeedsOfOneAddress",
	"limits/body_stall":                           "httpapi.TestStandstills",
	"limits/answer_stall":                         "httpapi.TestStandstills",
	"limits/body_memory":                          "httpapi.TestNoMemoryForARequest",
	"limits/body_wait":                            "httpapi.TestNoMemoryForARequest",
	"storage/url":                                 "cmd/tododb.TestPGStorageSettings",
	"storage/url_file":                            "cmd/tododb.TestPGStorageSettings",
	"storage/listen_url":                          "cmd/tododb.TestPGStorageSettings",
	"storage/connections":                         "cmd/tododb.TestPGStorageSettings",
	"storage/gone_after":                          "cmd/tododb.TestPGStorageSettings",
	"storage/name":                                "cmd/tododb.TestPGStorageSettings",
	"audit/file":                                  "cmd/tododb.TestSecretsStaySecret",
	"audit/revisions":                             "httpapi.TestTrail",
	"ssl/cert_file":                               "cmd/tododb.TestCertificateIsReadAgain",
	"ssl/key_file":                                "cmd/tododb.TestCertificateIsReadAgain",
	"ssl/cacert_file":                             "cmd/tododb.TestServesHTTPS",
	"ssl/verify_ssl_certificates":                 "cmd/tododb.TestServesHTTPS",
	"ssl/https":                                   "cmd/tododb.TestHTTPSOfItsOwn",
	"ssl/redirect":                                "cmd/tododb.TestHTTPSOfItsOwn",
	"ssl/acme_directory":                          "cmd/tododb.TestACME",
	"ssl/acme_ca_file":                            "cmd/tododb.TestACME",
	"ssl/acme_email":                              "cmd/tododb.TestACME",
	"ssl/enable":                                  "cmd/tododb.TestServesHTTPS",
	"ssl/port":                                    "cmd/tododb.TestServesHTTPS",
}
