package httpapi_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// A host leads to the path in its rule. More specific rules come first.
func TestVhosts(t *testing.T) {
	t.Parallel()
	rules := map[string]string{
		"example.com": "/example", "example.com:81": "/port", "*.example.com": "/*", ":db.app.example.com": "/:db/_design/app/_rewrite",
		"www.example.com/blog": "/posts/all", "www.example.com": "/site", "off.example.com": "", "root.org": "/",
	}
	s := openServer(t, Options{})
	shared := s.Shared()
	for _, c := range [][3]string{
		{"example.com", "/", "/example"}, {"EXAMPLE.com", "/a/b", "/example/a/b"}, {"example.com:80", "/", "/example"}, {"example.com:81", "/x", "/port/x"},
		{"notes.app.example.com", "/page?x=1", "/notes/_design/app/_rewrite/page"},
		{"b.a.example.com", "/d", "/a/b/d"}, {"db.example.com", "/a%2Fb", "/db/a%2Fb"}, {"off.example.com", "/", "/off"},
		{"www.example.com", "/blog", "/posts/all"}, {"www.example.com", "/blog/1", "/posts/all/1"}, {"www.example.com", "/blogs", "/site/blogs"},
		{"root.org", "/", "/"}, {"root.org", "/db", "/db"},
		{"example.com", "/_session", "/_session"}, {"example.com", "/_users/x", "/_users/x"}, {"example.com", "/_all_dbs", "/example/_all_dbs"},
		{"elsewhere.com", "/a", "/a"}, {"com", "/a", "/a"}, {"127.0.0.1:5984", "/a", "/a"}, {"[::1]:5984", "/a", "/a"},
	} {
		r := httptest.NewRequest("GET", c[1], nil)
		r.Host = c[0]
		r = r.WithContext(shared.Begin(httptest.NewRecorder(), r).In(r.Context()))
		got, err := s.ToVhost(rules, r)
		if err != nil || got.URL.EscapedPath() != c[2] || got.URL.RawQuery != r.URL.RawQuery {
			t.Errorf("%s%s: %v %v, want %s", c[0], c[1], got.URL, err, c[2])
		}
	}
}

// The path that a virtual host leads to is judged like any other, so it opens nothing.
func TestVhostsOpenNothing(t *testing.T) {
	t.Parallel()
	c := settings(t)
	s := openServer(t, Options{Config: c})
	wants(t, call(s, "PUT", "/db", "", "Admin", ""), 201, "")
	wants(t, call(s, "PUT", "/db/a", `{"v":1}`, "Admin", ""), 201, "")
	set(t, c, "vhosts/*.example.org", "/*", "vhosts/db.test", "/db", "vhosts/bad.test", "/%zz")
	ask := func(host, method, path, body string, status int, want string, admin bool) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if r.Host = host; admin {
			r.SetBasicAuth("admin", "secret")
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		wants(t, w, status, want)
	}
	ask("db.test", "GET", "/a", "", 200, `"v":1`, true)
	ask("db.test", "GET", "/", "", 200, `"db_name":"db"`, true)
	ask("db.test", "PUT", "/b", "{}", 201, `"ok":true`, true)
	ask("db.test", "GET", "/a", "", 401, "unauthorized", false)
	ask("db.test", "GET", "/_session", "", 200, `"userCtx"`, false)
	ask("db.example.org", "GET", "/a", "", 200, `"v":1`, true)
	ask("db.example.org", "GET", "/a", "", 401, "unauthorized", false)
	ask("_all_dbs.example.org", "GET", "/", "", 401, "unauthorized", false)
	ask("bad.test", "GET", "/a", "", 400, "bad_request", true)
	set(t, c, "vhosts/db.test", "")
	ask("db.test", "GET", "/a", "", 404, "not_found", true)
}

// For any rule, host and path, the request gets a readable path or an error.
func FuzzVhost(f *testing.F) {
	s := openServer(f, Options{})
	shared := s.Shared()
	f.Add("*.example.com:80/a", "/*/b", "x.y.example.com:80", "/a/c%2Fd")
	f.Add(":a.:b", "/:b/:a/:c", "one.two", "//x//")
	f.Add("", "*", "[::1]:5984", "/")
	f.Add("h", "/%", "h", "/a%")
	f.Fuzz(func(t *testing.T, rule, target, host, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.URL = host, u
		r = r.WithContext(shared.Begin(httptest.NewRecorder(), r).In(r.Context()))
		got, err := s.ToVhost(map[string]string{rule: target}, r)
		if err != nil {
			return
		}
		if escaped := got.URL.EscapedPath(); !strings.HasPrefix(escaped, "/") {
			t.Errorf("%q = %q leads %q%q to %q", rule, target, host, path, escaped)
		}
		if _, err := url.PathUnescape(got.URL.EscapedPath()); err != nil {
			t.Errorf("%q = %q leads %q%q to %q: %v", rule, target, host, path, got.URL, err)
		}
	})
}
