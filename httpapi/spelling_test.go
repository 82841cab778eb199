package httpapi_test

import (
	"strings"
	"testing"

	"github.com/tododb/tododb/store/widetest"
)

// The spelling of a path changes neither who may use it nor the answer.
func TestRightsOfOtherSpellings(t *testing.T) {
	widetest.Only(t)
	t.Parallel()
	r := &rightsServer{t: t, s: openServer(t, Options{Config: settings(t, "chttpd_auth/iterations", "1")})}
	r.restore()
	asked := 0
	for _, line := range r.s.Routes() {
		_, path := patternOf(t, line.Path)
		if !strings.Contains(path, "_") {
			continue
		}
		first, all := strings.Replace(path, "_", "%5F", 1), strings.ReplaceAll(path, "_", "%5f")
		name := path[:strings.LastIndex(path, "_")+1] + "%" + hexOf(path[strings.LastIndex(path, "_")+1])
		name += path[strings.LastIndex(path, "_")+2:]
		for _, method := range []string{"GET", "PUT", "POST", "DELETE", "PATCH"} {
			for _, role := range append([]string{"t-part", "t-read", "t-write", "t-other"}, roles...) {
				want := r.ask(role, method, path)
				if want < 400 && method != "GET" {
					continue // the second time it is another request
				}
				for _, spelt := range []string{first, all, name, "/" + path, path + "/"} {
					if spelt == "/_utils/" { // the one path where the slash counts
						continue
					}
					asked++
					if got := r.ask(role, method, spelt); got != want {
						t.Errorf("%s %s by %s: %d, want %d as for %s", method, spelt, role, got, want, path)
					}
				}
			}
		}
	}
	if asked < 5000 {
		t.Errorf("only %d requests", asked)
	}
}

func hexOf(c byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// A rewritten path is cleaned like any other.
func TestRewriteToAnEscapedUnderscore(t *testing.T) {
	t.Parallel()
	s := openServer(t, Options{})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/_design/d", `{"rewrites":"function (req) { return '../../%5Fall_docs' }"}`, "Admin", ""), 201, "")
	wants(t, call(s, "GET", "/db/_design/d/_rewrite/x", "", "Admin", ""), 200, `"total_rows":1`)
}

// A method that a path does not have is the last reason for refusing a request.
func TestMethodsThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := openWithDB(t, Options{}, `{"_id":"a"},{"_id":"_design/d"}`)
	token, _ := issue(t, s, "anna", `{"databases":["db"],"access":"read-write","device":"x"}`)
	for _, c := range []struct {
		method, path, by string
		status           int
		allow            string
	}{
		{"PATCH", "/", "", 405, "GET,HEAD"},
		{"PATCH", "/_session", "", 405, "GET,HEAD,POST,DELETE"},
		{"PATCH", "/_all_dbs", "", 401, ""},
		{"OPTIONS", "/_all_dbs", "admin", 405, "GET,HEAD"},
		{"FOO", "/db", "admin", 405, "DELETE,GET,HEAD,POST"},
		{"PATCH", "/db/a", "", 401, ""},
		{"PATCH", "/db/a", "ben", 403, ""},
		{"PATCH", "/db/a", "anna", 405, "DELETE,GET,HEAD,POST,PUT,COPY"},
		{"PATCH", "/db/a", token, 403, ""},
		{"PATCH", "/none", "", 404, ""},
		{"PATCH", "/none/a", "admin", 404, ""},
		{"PATCH", "/db/_design/none", "admin", 405, "DELETE,GET,HEAD,POST,PUT,COPY"},
		{"PATCH", "/db/_design/none/_view/v", "admin", 404, ""},
		{"PATCH", "/db/_design/d/_view/v", "admin", 405, "GET,POST,HEAD"},
		{"GET", "/db/_design/d/_view", "admin", 405, "GET,POST,HEAD"},
		{"GET", "/db/_design/d/_view", "", 401, ""},
		{"GET", "/db/_design/d/_view", token, 403, ""},
		{"OPTIONS", "/_replicate", "admin", 400, ""},
		{"PATCH", "/_replicate", "admin", 405, "POST"},
		{"OPTIONS", "/_duck", "admin", 404, ""},
	} {
		var headers []string
		switch {
		case c.by == "admin":
			headers = []string{"Admin", ""}
		case strings.HasPrefix(c.by, "Bearer"):
			headers = []string{"Authorization", c.by}
		case c.by != "":
			headers = []string{"Authorization", as(c.by)}
		}
		w := call(s, c.method, c.path, "", headers...)
		if c.method == "PATCH" {
			w = call(s, c.method, c.path, "{}", headers...)
		}
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s by %q: %d, Allow %q: %s", c.method, c.path, c.by, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}

// Unknown paths of the server are for administrators, as in CouchDB.
func TestUnknownNamesOfTheServer(t *testing.T) {
	t.Parallel()
	s := openWithUsers(t, Options{}, "anna")
	for _, path := range []string{"/_duck", "/%5Fduck", "/_duck/x", "/_global_changes", "/_global_changes/_security", "/_global_changes/a"} {
		wants(t, call(s, "GET", path, ""), 401, "not a server admin")
		wants(t, call(s, "GET", path, "", "Authorization", as("anna")), 401, "not a server admin")
		wants(t, call(s, "GET", path, "", "Admin", ""), 404, "Database does not exist")
	}
	wants(t, call(s, "PUT", "/_global_changes", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/_global_changes/_security", `{"members":{"names":["anna"]}}`, "Admin", ""), 200, "")
	wants(t, call(s, "GET", "/_global_changes", "", "Authorization", as("anna")), 401, "not a server admin")
	wants(t, call(s, "GET", "/_global_changes", "", "Admin", ""), 200, "_global_changes")
}
