package httpapi

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTidyPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/": "/", "//": "/", "/a/": "/a", "//a///b//": "/a/b", "/a%2F/b/": "/a%2F/b", "/a//%2F": "/a/%2F", "/a b/": "/a%20b", "/a+b//": "/a+b", "/100%25//x%2F/": "/100%25/x%2F",
		"/%5Fall_dbs": "/_all_dbs", "/db/_all%5fdocs": "/db/_all_docs", "/d%62/%64%31": "/db/d1", "/db/a%2F%5Fb/": "/db/a%2F_b", "/db/%255Fx": "/db/%255Fx", "/db/a%20b%5F": "/db/a%20b_",
		"/db/%2E%2E/x": "/db/%2E%2E/x", "/db/%C3%A4%5F": "/db/%C3%A4_", "/db/%00": "/db/%00",
	} {
		req := httptest.NewRequest("GET", strings.ReplaceAll("http://h"+path, " ", "%20"), nil)
		cleanPath(req)
		if got := req.URL.EscapedPath(); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
