package httpapi_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tododb/tododb/httpapi/audit"
)

// trailOf makes a server with an audit trail and returns a function that reads the lines
// that have come since its last call.
func trailOf(t *testing.T, pairs ...string) (*Server, func() []map[string]any) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	trail := &audit.Trail{}
	if err := trail.Open(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trail.Close() })
	s := openServer(t, Options{Trail: trail, Config: settings(t, pairs...)})
	seen := 0
	return s, func() []map[string]any {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var lines []map[string]any
		for line := range strings.Lines(string(text)[seen:]) {
			var one map[string]any
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			lines = append(lines, one)
		}
		seen = len(text)
		return lines
	}
}

func TestTrail(t *testing.T) {
	t.Parallel()
	s, recorded := trailOf(t, "audit/revisions", "true")
	for _, c := range []struct {
		method, path, body, by string
		action                 string // "": nothing is recorded
		more                   map[string]any
	}{
		{"PUT", "/db", "", "admin", "create database", nil},
		{"PUT", "/db/doc", `{"x":1}`, "admin", "write", map[string]any{"documents": 1.0, "refused": 0.0, "revisions": []any{"doc 1-0785e9eb543380151003dc452c3a001a"}}},
		{"PUT", "/db/doc", `{"x":2}`, "admin", "", nil}, // a conflict: nothing has changed
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"a"},{"_id":"doc"}]}`, "admin", "write", map[string]any{"documents": 1.0, "refused": 1.0}},
		{"GET", "/db/doc", "", "admin", "", nil},
		{"POST", "/db/_all_docs", `{}`, "admin", "", nil},
		{"POST", "/db/_revs_diff", `{}`, "admin", "", nil},
		{"PUT", "/db/_local/checkpoint", `{}`, "admin", "", nil},
		{"PUT", "/db/_design/d", `{}`, "admin", "design", nil},
		{"PUT", "/db/_design/up", `{"updates":{"u":"function (doc, req) { return [{_id: req.query.id}, 'x'] }"}}`, "admin", "design", nil},
		{"POST", "/db", `{"_id":"_design/posted"}`, "admin", "design", map[string]any{"documents": 1.0}},
		{"POST", "/db", `{"_id":"posted"}`, "admin", "write", map[string]any{"documents": 1.0}},
		{"POST", "/db/_bulk_docs", `{"docs":[{"_id":"b"},{"_id":"_design/bulk"},{"_id":"c"}]}`, "admin", "design", map[string]any{"documents": 3.0}},
		{"POST", "/db/_design/up/_update/u?id=_design/updated", "", "admin", "design", nil},
		{"POST", "/db/_design/up/_update/u?id=updated", "", "admin", "write", nil},
		{"COPY _design/e", "/db/doc", "", "admin", "design", nil},
		{"COPY _design%2Ff", "/db/_design/d", "", "admin", "design", nil},
		{"COPY doc2", "/db/_design/d", "", "admin", "write", nil},
		{"COPY doc3", "/db/_local/checkpoint", "", "admin", "write", nil},
		{"COPY _design/g", "/db/_local/checkpoint", "", "admin", "design", nil},
		{"COPY _local/x", "/db/doc", "", "admin", "", nil},
		{"PUT", "/db/_security", `{}`, "admin", "security", nil},
		{"PUT", "/db/anonymous", `{}`, "", "write", map[string]any{"user": ""}},
		{"POST", "/db", `{"_id":"_design/posted2"}`, "", "design", map[string]any{"status": 401.0}},
		{"PUT", "/db/_security", `{}`, "", "security", map[string]any{"status": 401.0}},
		{"PUT", "/_node/_local/_config/admins/anna", `"hunter2"`, "admin", "configuration", map[string]any{"path": "/_node/_local/_config/admins/anna"}},
		{"PUT", "/_node/_local/_config/chttpd_auth/secret", `"hunter2"`, "admin", "configuration", nil},
		{"POST", "/_session", `{"name":"anna","password":"hunter2"}`, "", "login", map[string]any{"name": "anna", "status": 200.0}},
		{"POST", "/_session", `{"name":"anna","password":"hunter3"}`, "", "login", map[string]any{"name": "anna", "status": 401.0}},
		{"DELETE", "/_session", "", "", "logout", nil},
		{"GET", "/db", "", "admin:hunter2", "authentication", map[string]any{"name": "admin", "status": 401.0}},
		{"POST", "/db/_purge", `{}`, "admin", "database", nil},
		{"POST", "/_cluster_setup", `{"action":"enable_single_node"}`, "admin", "configuration", nil},
		{"DELETE", "/db?token=hunter2", "", "admin", "delete database", map[string]any{"path": "/db"}},
	} {
		var headers []string
		switch c.by {
		case "admin":
			headers = []string{"Admin", ""}
		case "":
		default:
			name, password, _ := strings.Cut(c.by, ":")
			headers = []string{"Authorization", basicAuth(name, password)}
		}
		if to := ""; strings.HasPrefix(c.method, "COPY") {
			c.method, to, _ = strings.Cut(c.method, " ")
			headers = append(headers, "Destination", to)
		}
		w := call(s, c.method, c.path, c.body, headers...)
		lines := recorded()
		if c.action == "" {
			if len(lines) > 0 {
				t.Errorf("%s %s: recorded %v", c.method, c.path, lines)
			}
			continue
		}
		if len(lines) != 1 {
			t.Errorf("%s %s: %d %s, recorded %v", c.method, c.path, w.Code, w.Body, lines)
			continue
		}
		line := lines[0]
		want := map[string]any{"msg": c.action, "request": w.Header().Get("X-Couch-Request-Id"), "address": "192.0.2.1", "method": c.method, "status": float64(w.Code)}
		if c.by == "admin" {
			want["user"] = "admin"
		}
		for name, value := range c.more {
			want[name] = value
		}
		for name, value := range want {
			if !reflect.DeepEqual(line[name], value) {
				t.Errorf("%s %s: %s is %v, want %v", c.method, c.path, name, line[name], value)
			}
		}
		if text, _ := json.Marshal(line); strings.Contains(string(text), "hunter") {
			t.Errorf("a secret in %s", text)
		}
	}
}

// The action comes from the route, so it is the same whoever asks and however far the request
// gets.
func TestAuditAction(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	for request, want := range map[string]string{
		"GET /db/doc": "", "PUT /db/doc": "write", "DELETE /db/doc/att": "write", "COPY /db/doc": "write", "POST /db": "write", "POST /db/_bulk_get": "",
		"PUT /_users/org.couchdb.user:jan": "user", "POST /_users/_bulk_docs": "user", "PUT /_replicator/r": "replication", "POST /_replicate": "replication",
		"POST /db/_synchronizations": "replication", "DELETE /db/_synchronizations/x": "replication", "POST /_session/tokens": "token", "DELETE /_session/tokens/x": "token",
		"POST /db/_design/d/_view/v": "", "POST /db/_design/d/_view/v/queries": "", "POST /db/_design/d/_list/l/v": "", "POST /db/_design/d/_update/u": "write",
		"PUT /db/_design/d/_rewrite/x": "write", "PUT /db/_design/d/att": "design", "DELETE /db/_design/d": "design", "POST /db/_index": "index", "DELETE /db/_index/_design/d/json/i": "index",
		"PUT /_node/_local/_config/a/b": "configuration", "POST /_node/_local/_config/_reload": "configuration", "POST /_dbs_info": "", "OPTIONS /db": "",
		"PUT /db/_design%2Fapp": "design", "DELETE /db/_design%2Fapp": "design", "PUT /db/_design%2Fapp/att": "design", "GET /db/_design%2Fapp": "", "PUT /db/_local%2Fx": "",
		"POST /db/_design%2Fd/_view/v": "", "PUT /_users/_design%2F_auth": "design", "PUT /%5Fusers/org.couchdb.user:jan": "user", "PUT /db/_other%2Fx": "write", "PUT /db/a%2Fb": "write",
		"POST /_users": "user", "PUT /db/_local/x": "", "POST /_session/": "login", "DELETE /_session": "logout", "PUT /_nothing": "server", "GET /_nothing": "",
		"PUT /db": "create database", "DELETE /db": "delete database", "PATCH /db": "", "PUT /db/_revs_limit": "database", "POST /db/_search": "write", "POST /db/_find": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, path, nil)
		if got := s.Foreseen(r); got != want {
			t.Errorf("%s: %q, want %q", request, got, want)
		}
	}
}

// The trail tells what a design or local document is, however its slash is spelt.
func TestTrailOfEscapedSlashes(t *testing.T) {
	t.Parallel()
	s, recorded := trailOf(t)
	call(s, "PUT", "/db", "", "Admin", "")
	call(s, "PUT", "/db/_security", `{"admins":{"names":["boss"]}}`, "Admin", "")
	recorded()
	for _, c := range []struct{ method, path, by, action string }{
		{"PUT", "/db/_design%2Fapp", "Admin", "design"},
		{"PUT", "/db/_design%2fapp2", "Admin", "design"},
		{"PUT", "/db/_design%2Fapp", "", "design"}, // refused
		{"PUT", "/db/%5Fdesign%2Fapp4", "Admin", "design"},
		{"PUT", "/db/_local%2Fx", "Admin", ""},
		{"PUT", "/db/%5Flocal%2Fx2", "Admin", ""},
		{"GET", "/db/_design%2Fapp", "Admin", ""},
	} {
		w := call(s, c.method, c.path, `{}`, c.by, "")
		lines := recorded()
		switch {
		case c.action == "" && len(lines) > 0:
			t.Errorf("%s %s: %d %s, recorded %v", c.method, c.path, w.Code, w.Body, lines)
		case c.action != "" && (len(lines) != 1 || lines[0]["msg"] != c.action):
			t.Errorf("%s %s: %d %s, recorded %v, want %s", c.method, c.path, w.Code, w.Body, lines, c.action)
		}
	}
}

// The trail records the request that a rewrite leads to, whatever the method of the rewrite.
func TestTrailOfRewrites(t *testing.T) {
	t.Parallel()
	s, recorded := trailOf(t)
	call(s, "PUT", "/db", "", "Admin", "")
	wants(t, call(s, "PUT", "/db/_design/d", `{"rewrites":"function (req) { return {path: req.query.to, method: req.query.as, body: '{}'} }"}`, "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/doc", `{}`, "Admin", ""), 201, "")
	recorded()
	for _, c := range []struct{ method, to, action string }{
		{"POST", "to=../../doc&as=GET", ""},
		{"GET", "to=../../new&as=PUT", "write"},
		{"GET", "to=../../_security&as=PUT", "security"},
		{"POST", "to=../../_security&as=PUT", "security"},
	} {
		w := call(s, c.method, "/db/_design/d/_rewrite/x?"+c.to, "", "Admin", "")
		lines := recorded()
		if w.Code >= 300 || len(lines) > 1 || (len(lines) == 1) != (c.action != "") || len(lines) == 1 && lines[0]["msg"] != c.action {
			t.Errorf("%s %s: %d %s, recorded %v", c.method, c.to, w.Code, w.Body, lines)
		}
	}
}

func BenchmarkTrail(b *testing.B) {
	for _, on := range []bool{false, true} {
		name := map[bool]string{false: "off", true: "on"}[on]
		b.Run(name, func(b *testing.B) {
			trail := &audit.Trail{}
			if on {
				if err := trail.Open(filepath.Join(b.TempDir(), "audit.log")); err != nil {
					b.Fatal(err)
				}
			}
			defer trail.Close()
			s := openServer(b, Options{Trail: trail})
			call(s, "PUT", "/db", "", "Admin", "")
			b.ReportAllocs()
			for b.Loop() {
				// A refusal is recorded and writes nothing else.
				if w := call(s, "PUT", "/db/_revs_limit", "1000"); w.Code != 401 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
